"""The processes of one run: under torchrun or Slurm several act as one, and each is a rank.

Every rank runs the same commands. Sums over windows are split between them. Rank 0 alone writes files and decides
what depends on files; the others are told the result. In one process nothing here costs anything, and
torch.distributed is not started.
"""

from __future__ import annotations

import datetime
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from cpep.runtime import signals
from cpep.types import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")
WAIT = datetime.timedelta(days=2)
"""Longest wait for another rank: rank 0 may prepare recordings for hours; the launcher ends all where one fails."""


@dataclass(frozen=True)
class _Crew:
    rank: int
    world: int
    machine: int
    store: Any


_crew: _Crew | None = None


def asked() -> bool:
    """Tell whether this process was started as one of several ranks (torchrun and submitit set the variables)."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def join() -> None:
    """Meet the other ranks, if there are any: gloo between processors, NCCL between GPUs. Rank 0 alone prints.

    Raises:
        UserError: there are fewer GPUs than ranks on this machine.
    """
    global _crew
    if not asked():
        return
    signals.follow_launcher()
    import torch
    from torch import distributed
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    here, local = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    store, rank, world = next(iter(rendezvous("env://", timeout=WAIT)))
    _crew = _Crew(rank, world, here, PrefixStore("cpep", store))
    gpus = torch.cuda.device_count()
    if gpus:
        if here > gpus:
            raise UserError(f"{here} ranks on a machine with {gpus} GPUs; start at most one rank a GPU")
        torch.cuda.set_device(local)
    backend, group = "cpu:gloo,cuda:nccl" if gpus else "gloo", PrefixStore("group", store)
    distributed.init_process_group(backend, store=group, rank=rank, world_size=world, timeout=WAIT)
    if rank:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  (until the process ends)


def leave() -> None:
    """Part from the other ranks after all went well. After a mistake the process just ends, and waits for nobody."""
    global _crew
    if _crew is not None:
        from torch import distributed

        _crew = None
        distributed.destroy_process_group()


def world_size() -> int:
    """Return the number of ranks."""
    return 1 if _crew is None else _crew.world


def is_main_rank() -> bool:
    """Tell whether this is rank 0, which writes and prints."""
    return _crew is None or _crew.rank == 0


def threads(wanted: int) -> int:
    """Return the threads of this rank: the ranks on a machine divide the threads of a stage."""
    return wanted if _crew is None else max(1, wanted // _crew.machine)


def complains() -> bool:
    """Tell whether this rank prints what is wrong: the first rank that finds it out does."""
    if _crew is None:
        return True
    try:
        return bool(_crew.store.add("complaints", 1) == 1)
    except RuntimeError:  # rank 0 kept the count; it has ended, and has printed why
        return False


@contextmanager
def _others() -> Iterator[None]:
    """Turn the end of another rank into a sentence; it is printed where that rank has printed none."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(
            f"another rank ended, perhaps for want of memory; the same command goes on from here ({reason})"
        ) from error


def on_main_rank(call: Callable[[], T]) -> T:
    """Let rank 0 call while the others wait, and return on every rank what it returned.

    Raises:
        UserError, OSError, KeyboardInterrupt: on every rank, where rank 0 raised it.
    """
    if _crew is None:
        return call()
    from torch import device, distributed

    told: list[Any] = [None, None]
    if _crew.rank == 0:
        try:
            told[0] = call()
        except (UserError, OSError, KeyboardInterrupt) as error:
            told[1] = error
    with _others():
        distributed.broadcast_object_list(told, src=0, device=device("cpu"))
    if told[1] is not None:
        raise told[1]
    result: T = told[0]
    return result


def main_rank_first(call: Callable[[], T]) -> T:
    """Call on rank 0, then on the others, which find on disk what rank 0 left; each returns its own result."""
    held: list[T] = []
    on_main_rank(lambda: held.append(call()))
    return held[0] if held else call()


@dataclass(frozen=True)
class Part:
    """The rows of a batch that this rank computes.

    Attributes:
        start: first row.
        stop: row after the last.
        whole: rows of the batch.
    """

    start: int
    stop: int
    whole: int

    @property
    def rows(self) -> slice:
        """The rows, as an index."""
        return slice(self.start, self.stop)

    def weighed(self, mean: Tensor) -> Tensor:
        """Return a mean over this rank's rows, scaled so that the mean over ranks is the mean over the batch."""
        share = (self.stop - self.start) * world_size() / self.whole
        return mean if share == 1 else mean * share


def part(whole: int) -> Part:
    """Return this rank's part of a batch: contiguous, and as large as the others' or one row larger.

    Args:
        whole: rows of the whole batch.

    Raises:
        UserError: fewer rows than ranks.
    """
    if _crew is None:
        return Part(0, whole, whole)
    if whole < _crew.world:
        raise UserError(f"a batch of {whole} windows is too small for {_crew.world} ranks; start fewer")
    return Part(whole * _crew.rank // _crew.world, whole * (_crew.rank + 1) // _crew.world, whole)


def is_mine(index: int) -> bool:
    """Tell whether a numbered piece of work is this rank's."""
    return _crew is None or index % _crew.world == _crew.rank


def total(value: float) -> float:
    """Return the sum of a number over ranks."""
    if _crew is None:
        return value
    import torch

    return float(_summed(torch.tensor(value, dtype=torch.float64)))


def gathered(own: Tensor, place: Part) -> Tensor:
    """Return the rows of all ranks, with a gradient to the own ones.

    For a loss that every rank computes from all rows. The gradient of the own rows is multiplied by the number of
    ranks, since ``Steps.average`` divides by it; so it becomes the gradient of one process.

    Args:
        own: rows of this rank.
        place: which rows these are.
    """
    if _crew is None:
        return own
    all_rows = own.new_zeros(place.whole, *own.shape[1:])
    all_rows[place.rows] = own.detach()
    all_rows = _summed(all_rows)  # ranks may have one row more or less, which all_gather does not take everywhere
    if own.requires_grad:
        own = own.view_as(own)
        own.register_hook(lambda gradient: gradient * world_size())  # type: ignore[no-untyped-call]
        all_rows[place.rows] = own
    return all_rows


def rows_of(take: Callable[[Tensor], Tensor], place: Part, index_B: Tensor) -> Tensor:
    """Return rows of a table of which each rank holds a part, without a gradient; all ranks ask for the same.

    Args:
        take: returns rows of this rank by their indices among them, which are on the CPU.
        place: which rows of the table these are.
        index_B: which rows are wanted, on the CPU.
    """
    if _crew is None:
        return take(index_B)
    here_B = (index_B >= place.start) & (index_B < place.stop)
    own = take(index_B[here_B] - place.start)
    rows = own.new_zeros(len(index_B), *own.shape[1:])
    rows[here_B.to(own.device)] = own
    return _summed(rows)


def same(tensors: Iterable[Tensor]) -> None:
    """Give every rank the values that rank 0 has."""
    if _crew is not None:
        from torch import distributed

        with _others():
            for tensor in tensors:
                distributed.broadcast(tensor.detach(), src=0)


class Steps:
    """Steps of training that all ranks take together, as a context.

    Ctrl-C, or SIGTERM, waits for the end of a step there, so that all stop after the same one; in one process it
    stops at once.

    Attributes:
        stop: whether some rank was told to stop.
    """

    def __init__(self) -> None:
        self.stop = self._told = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Steps:
        """Listen to Ctrl-C."""
        if _crew is not None:
            self._before = {one: signal.signal(one, self._hear) for one in signals.ENDS}
        return self

    def __exit__(self, *_: object) -> None:
        """Restore what Ctrl-C does; once heard it is ignored, since the launcher may send it a second time."""
        if _crew is not None:
            for one, before in self._before.items():
                signal.signal(one, signal.SIG_IGN if self.stop else before)

    def _hear(self, signum: int, frame: FrameType | None) -> None:
        signals.heard()
        self._told = True

    def average(self, parameters: Iterable[torch.nn.Parameter], loss: Tensor) -> float:
        """Replace every gradient by its mean over ranks, in one message, and return the mean of the loss."""
        if _crew is None:
            return float(loss.detach())
        import torch

        gradients = [p.grad for p in parameters if p.grad is not None]
        notes = torch.stack([loss.detach().float(), loss.new_tensor(float(self._told), dtype=torch.float32)])
        flat = _summed(torch.cat([*(gradient.flatten() for gradient in gradients), notes])) / _crew.world
        *means, notes = torch.split(flat, [*(gradient.numel() for gradient in gradients), 2])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))
        value, told = notes.tolist()
        self.stop = told > 0
        return float(value)


def _summed(tensor: Tensor) -> Tensor:
    from torch import distributed

    with _others():
        distributed.all_reduce(tensor)
    return tensor
