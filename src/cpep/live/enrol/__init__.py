"""Enrolment: a person makes each gesture a few times, and is recognised from then on, without a checkpoint."""
