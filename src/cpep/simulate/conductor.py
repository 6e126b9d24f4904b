"""The volume conductor: the potential of each motor unit's discharge at each electrode pair.

Finite fibres; a tripole travels from the end-plate to both ends and vanishes there; its potential in an
anisotropic medium falls with sqrt(dz^2 + 4.4 rho^2) (tripole: Merletti et al. 1999). The wrist is an ellipse
with electrodes around it: those of emg2pose, 16 pairs, or of any other band.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import fft, signal, sparse

from cpep.data.readers.emg2pose import SAMPLE_RATE
from cpep.simulate.motor_units import UNITS, Pool, draw_pool, fire
from cpep.simulate.muscles import Drive
from cpep.simulate.person import Person
from cpep.simulate.variability import CONTROL_RATE, generator
from cpep.types import FloatArray

CHANNELS = 16
PITCH = 2 * np.pi / CHANNELS
"""Angle between neighbouring electrodes, rad."""
BAND_MM = 50.0
"""The middle of the band, from the wrist crease."""
PAIR_MM = 10.0
"""Distance of the two electrodes of a pair, along the arm."""
ANISOTROPY, SOFTENING_MM2 = 4.4, 40.0
"""Conductivity along over across fibres; blur of the near field by a unit's territory and the electrodes."""
TRIPOLE = ((24.6, 0.0), (-35.4, 2.1), (10.8, 6.88))
"""Strength and distance behind the front (mm) of the three poles."""
SHORTENED_MM = 14.0
"""Slide of the distal fibre ends between the longest and the shortest muscle."""
TURN = np.deg2rad(6.0)
"""Turn of the band over which potentials are taken as linear, to either side."""
RANK = 6
"""Time courses that span all potentials: over 99 % of their energy."""
BEFORE, LENGTH = 28, 64
"""Samples of a potential before its discharge, and in all."""
BLOCK = 2048
"""Samples that are convolved at once."""
VOLUME = 190_000.0
"""Brings a usual contraction to the level of real recordings, in noise-floor units."""


@dataclass(frozen=True)
class Band:
    """What is worn: channels round the arm.

    Attributes:
        angles: of the channels, from where the band usually begins, rad.
        pair_mm: distance of the two electrodes of a channel along the arm; 0 for one electrode against the mean of
            all.
        along_mm: distance of each channel from the wrist crease; empty for ``BAND_MM`` of all.
    """

    angles: tuple[float, ...]
    pair_mm: float
    along_mm: tuple[float, ...] = ()

    @property
    def along_C(self) -> FloatArray:
        """Distance of each channel from the wrist crease, mm."""
        return np.array(self.along_mm or [BAND_MM] * len(self.angles))


WRIST = Band(tuple(PITCH * channel for channel in range(CHANNELS)), PAIR_MM)
"""The band of emg2pose."""


@dataclass(frozen=True, eq=False)
class Placement:
    """How the band sits on the wrist.

    Attributes:
        side: ``right`` or ``left``; the left band is the mirror image of the right one.
        angle: of electrode 0 from the volar middle, rad, positive radial.
        shift: along the arm, mm, positive proximal.
        tilt: two components, mm.
        gain_C: of the channels.
        noise_C: SD of the white noise.
        bad: channel with poor contact, or none.
        mains: powerline frequency, Hz.
        mains_C: its amplitude.
        fatigue: at the start, 0..1.
        band: which band.
    """

    side: str
    angle: float
    shift: float
    tilt: tuple[float, float]
    gain_C: FloatArray
    noise_C: FloatArray
    bad: int | None
    mains: float
    mains_C: FloatArray
    fatigue: float
    band: Band = WRIST


def draw_placement(person: Person, session: str, side: str, band: Band = WRIST) -> Placement:
    """Return how the band sits on a person in one session, drawn from (seed, user, session, side)."""
    channels = len(band.angles)
    rng = generator(person.seed, "placement", person.user, session, side)
    spread, noise, habits = person.variability.session, person.variability.noise, person.habits
    angle, shift = rng.standard_normal(2)
    tilt = 3 * spread * rng.standard_normal(2)
    gain_C = np.exp(spread * (0.12 * rng.standard_normal() + 0.10 * rng.standard_normal(channels)))
    noise_C = (1 + 0.25 * np.abs(rng.standard_normal(channels))) * np.exp(0.1 * rng.standard_normal())
    bad = int(rng.integers(channels)) if rng.random() < 0.08 * noise else None
    mains_C = 0.5 * noise * np.exp(0.7 * rng.standard_normal() + 0.5 * rng.standard_normal(channels))
    return Placement(
        side=side,
        angle=habits.wear_angle + float(np.deg2rad(6.5 * spread * angle)),
        shift=habits.wear_shift + 4 * spread * float(shift),
        tilt=(float(tilt[0]), float(tilt[1])),
        gain_C=gain_C,
        noise_C=noise * noise_C,
        bad=bad,
        mains=habits.mains,
        mains_C=mains_C,
        fatigue=float(rng.uniform(0, 0.5)),
        band=band,
    )


@dataclass(frozen=True, eq=False)
class Bank:
    """Potentials of all motor units under one placement.

    Attributes:
        pool: the motor units.
        basis_KL: time courses (RANK, LENGTH).
        weight_XCK: potentials in that basis, X = three blocks of N units: of the lengthened muscle, of the
            shortened one, and the change when the band turns by ``TURN``.
    """

    pool: Pool
    basis_KL: FloatArray
    weight_XCK: FloatArray


@dataclass(frozen=True, eq=False)
class _Fibres:
    """Motor units (N,): place across the arm, ends and end-plate along it (mm), velocity (m/s)."""

    x_N: FloatArray
    y_N: FloatArray
    distal_N: FloatArray
    plate_N: FloatArray
    proximal_N: FloatArray
    velocity_N: FloatArray
    scatter_N: FloatArray


def _axes(person: Person) -> tuple[float, float]:
    """Return the half axes of the wrist, radial-ulnar and volar-dorsal, mm."""
    stretch = np.sqrt(person.forearm.aspect)
    return person.forearm.radius * stretch, person.forearm.radius / stretch


def _draw_fibres(person: Person, pool: Pool) -> _Fibres:
    rng, forearm, muscle_N = generator(person.seed, "fibres", person.user), person.forearm, pool.muscle_N
    count = len(muscle_N)
    wide, thick = _axes(person)
    angle_N = forearm.theta_V[muscle_N] + 0.7 * forearm.width_V[muscle_N] * np.clip(rng.standard_normal(count), -2, 2)
    depth_N = forearm.fat + np.maximum(forearm.depth_V[muscle_N] + 1.6 * rng.standard_normal(count), 0.8)
    inside_N = np.clip(1 - depth_N / (0.5 * (wide + thick)), 0.05, 1)
    distal_N = forearm.end_V[muscle_N] + forearm.spread_V[muscle_N] * rng.random(count)
    length_N = np.clip(62 + 8 * rng.standard_normal(count), 40, 90)
    rank_N = np.tile(np.arange(UNITS) / UNITS, count // UNITS)
    return _Fibres(
        x_N=inside_N * wide * np.sin(angle_N),
        y_N=inside_N * thick * np.cos(angle_N),
        distal_N=distal_N,
        plate_N=distal_N + length_N * np.clip(0.5 + 0.08 * rng.standard_normal(count), 0.25, 0.75),
        proximal_N=distal_N + length_N,
        velocity_N=forearm.velocity * (1 + 0.08 * (rank_N - 0.5) + 0.04 * rng.standard_normal(count)),
        scatter_N=0.55 + 0.25 * rng.random(count),
    )


def make_bank(person: Person, placement: Placement) -> Bank:
    """Return the potentials of a person's motor units at the electrodes of one placement."""
    pool = draw_pool(person)
    fibres = _draw_fibres(person, pool)
    lengthened, shortened = (_potentials(person, placement, fibres, shorter) for shorter in (0.0, 1.0))
    ahead, behind = (
        _potentials(person, replace(placement, angle=placement.angle + turn), fibres, 0.5) for turn in (TURN, -TURN)
    )
    phi_XCL = np.concatenate([lengthened, shortened, (ahead - behind) / 2])
    phi_XCL *= np.tile(pool.amplitude_N, 3)[:, None, None].astype(np.float32)
    flat = phi_XCL[: 2 * len(pool.muscle_N)].reshape(-1, LENGTH)
    basis_KL = np.linalg.eigh((flat.T @ flat).astype(float))[1][:, : -RANK - 1 : -1].T.astype(np.float32)
    gain_C = placement.gain_C.copy()
    if placement.bad is not None:
        gain_C[placement.bad] *= 0.25
    weight_XCK = (phi_XCL.reshape(-1, LENGTH) @ basis_KL.T).reshape(*phi_XCL.shape[:2], RANK)
    return Bank(pool, basis_KL, weight_XCK * gain_C[:, None].astype(np.float32))


def _potentials(person: Person, placement: Placement, fibres: _Fibres, shorter: float) -> FloatArray:
    """Return unit potentials (N, C, L), float32, of muscles that are ``shorter`` (0..1)."""
    wide, thick = _axes(person)
    order, pair_mm = 1 if placement.side == "right" else -1, placement.band.pair_mm
    angle_C = order * np.array(placement.band.angles) + placement.angle
    sine_C, cosine_C = np.sin(angle_C), np.cos(angle_C)
    along_C = placement.band.along_C
    z_C = along_C + placement.shift + placement.tilt[0] * sine_C + placement.tilt[1] * cosine_C
    across_NC = (fibres.x_N[:, None] - wide * sine_C) ** 2 + (fibres.y_N[:, None] - thick * cosine_C) ** 2
    rho2_NC1 = (ANISOTROPY * across_NC + SOFTENING_MM2).astype(np.float32)[:, :, None]
    slide = shorter * SHORTENED_MM
    distal_N, plate_N = fibres.distal_N + slide, fibres.plate_N + 0.6 * slide
    proximal_N, velocity_N = fibres.proximal_N + 0.15 * slide, fibres.velocity_N
    # Time 0 is when the front passes the band, or stops short of it, so that few samples hold all potentials.
    passage_N = np.clip((plate_N - np.maximum(distal_N, along_C.mean() + placement.shift)) / velocity_N, -12, 40)
    t_L = (np.arange(LENGTH) - BEFORE) * (1000 / SAMPLE_RATE)
    travelled_NL = velocity_N[:, None] * (t_L + passage_N[:, None])
    phi_NCL = np.zeros((len(plate_N), len(angle_C), LENGTH), np.float32)
    for strength, behind in TRIPOLE:
        to_wrist = plate_N[:, None] - np.clip(travelled_NL - behind, 0, (plate_N - distal_N)[:, None])
        to_elbow = plate_N[:, None] + np.clip(travelled_NL - behind, 0, (proximal_N - plate_N)[:, None])
        for pole_NL in (to_wrist, to_elbow):
            for half, sign in ((pair_mm / 2, 1), (-pair_mm / 2, -1)) if pair_mm else ((0.0, 1),):
                z2_NCL = ((z_C + half)[:, None] - pole_NL[:, None, :]).astype(np.float32) ** 2
                z2_NCL += rho2_NC1
                phi_NCL += np.float32(sign * strength) / np.sqrt(z2_NCL, out=z2_NCL)
    if not pair_mm:
        phi_NCL -= phi_NCL.mean(axis=1, keepdims=True)
    return _disperse(phi_NCL, fibres.scatter_N)


def _disperse(phi_NCL: FloatArray, scatter_N: FloatArray) -> FloatArray:
    """Blur in time (end-plates of one unit are scattered; SD in ms) and taper to zero at both ends."""
    frequency_F = np.fft.rfftfreq(LENGTH, 1000 / SAMPLE_RATE)
    blur_NF = np.exp(-0.5 * (2 * np.pi * frequency_F * scatter_N[:, None]) ** 2).astype(np.float32)
    blurred_NCL = fft.irfft(fft.rfft(phi_NCL, axis=-1) * blur_NF[:, None, :], LENGTH, axis=-1)
    taper_L = signal.windows.tukey(LENGTH, 0.3)
    taper_L[[0, -1]] = 0
    tapered: FloatArray = (blurred_NCL * taper_L.astype(np.float32)).astype(np.float32)
    return tapered


def surface_emg(
    bank: Bank, drive: Drive, rotation_S: FloatArray, fatigue: float, samples: int, rng: np.random.Generator
) -> tuple[FloatArray, int]:
    """Return the muscle signal (C, T), float32, in noise-floor units, and the number of discharges.

    Args:
        bank: potentials.
        drive: of the muscles.
        rotation_S: turn of the band since it was put on, rad.
        fatigue: 0..1, slows conduction: potentials last longer.
        samples: T.
        rng: of the discharges.
    """
    time, unit = fire(bank.pool, drive.drive_SV, rng)
    units, frames = len(bank.pool.muscle_N), len(rotation_S)
    sample = np.minimum((time * SAMPLE_RATE + 0.5).astype(np.int64), samples - 1)
    frame = np.minimum((time * CONTROL_RATE).astype(np.int64), frames - 1)
    shorter = drive.shortening_SV[frame, bank.pool.muscle_N[unit]]
    turned = np.clip(rotation_S[frame] / TURN, -1, 1)
    impulses = sparse.csr_matrix(
        (
            np.concatenate([1 - shorter, shorter, turned]).astype(np.float32),
            (np.tile(sample, 3), np.concatenate([unit, unit + units, unit + 2 * units])),
        ),
        shape=(samples, 3 * units),
    )
    weight_XY = bank.weight_XCK.reshape(3 * units, -1)
    return VOLUME * _convolve(impulses, weight_XY, stretched(bank.basis_KL, slowed(fatigue))), len(time)


def slowed(fatigue: float) -> float:
    """Return how much longer potentials last in a tired muscle (0..1)."""
    return 1 + 0.12 * fatigue


def stretched(basis_KL: FloatArray, factor: float) -> FloatArray:
    """Return time courses (K, L) that last ``factor`` times as long."""
    at_L = (np.arange(LENGTH) - BEFORE) / factor + BEFORE
    return np.stack([np.interp(at_L, np.arange(LENGTH), row_L) for row_L in basis_KL]).astype(np.float32)


def _convolve(impulses_TX: sparse.csr_matrix, weight_XY: FloatArray, basis_KL: FloatArray) -> FloatArray:
    """Return the signal (C, T) of the units' impulses at each electrode pair, by overlap-add.

    Weights (X, Y = C x K) turn impulses into C x K trains; each is convolved with its time course.
    Blocks of them stay in the cache, and memory does not grow with C x K x T.
    """
    samples, hop, channels = impulses_TX.shape[0], BLOCK - LENGTH + 1, weight_XY.shape[1] // RANK
    basis_KF = fft.rfft(basis_KL, BLOCK, axis=1)
    signal_CT = np.zeros((channels, samples + 2 * BLOCK), np.float32)
    for first in range(0, samples, hop):
        block_TY = impulses_TX[first : first + hop] @ weight_XY
        block_CKT = np.ascontiguousarray(block_TY.T).reshape(channels, RANK, -1)
        summed_CF = np.einsum("ckf,kf->cf", fft.rfft(block_CKT, BLOCK, axis=2), basis_KF)
        signal_CT[:, first : first + BLOCK] += fft.irfft(summed_CF, BLOCK, axis=1)
    return signal_CT[:, BEFORE : BEFORE + samples]
