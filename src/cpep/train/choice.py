"""The alignment once more without some training people and seen gestures, so that read-outs are chosen on these."""

from __future__ import annotations

from cpep.data.splits import Split, nested
from cpep.train.align import AlignStage
from cpep.train.stage import STAGES
from cpep.types import UserError


class ChoiceStage(AlignStage):
    """Aligns under ``nested`` people and gestures; its model is never tested on test people.

    It starts from the autoencoders of the fold. They have met the EMG and the poses of the people who are left out
    here, without labels and unpaired; the gestures that are left out, too. Nobody who is tested is among them.
    """

    def split(self, split: Split) -> Split:
        """Return the nested split.

        Raises:
            UserError: there are too few training people or seen gestures.
        """
        found = nested(split)
        if found is None:
            raise UserError("fewer than four training people or seen gestures: none is left out for choices")
        return found

    def may_start_from(self, held: Split, split: Split) -> bool:
        """Tell whether the checkpoint held out the fold's test people and unseen gestures."""
        inside = {*split.users_train, *split.users_val, *split.users_test}
        return not inside & set(held.users_test) and set(held.unseen) <= set(split.unseen)


STAGES.add("cpep_choice", ChoiceStage("cpep_choice", "cpep"))
