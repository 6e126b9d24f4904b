"""The movements of the NinaPro databases by name, in the order in which the databases number them.

The same movement has the same name in every database. Names and order: Atzori et al. 2014 and ninapro.hevs.ch (A to
D), Krasoulis et al. 2019 (DB8); loaders that others wrote agree. No two movements share a name.
"""

from __future__ import annotations

FINGER_MOVEMENTS = (
    "index_flexion",
    "index_extension",
    "middle_flexion",
    "middle_extension",
    "ring_flexion",
    "ring_extension",
    "little_flexion",
    "little_extension",
    "thumb_adduction",
    "thumb_abduction",
    "thumb_flexion",
    "thumb_extension",
)
"""Exercise A."""

HAND_AND_WRIST = (
    "thumb_up",
    "index_and_middle_extension",  # with the others flexed
    "ring_and_little_flexion",  # with the others extended
    "thumb_to_base_of_little",
    "abduction_of_all_fingers",
    "fist",
    "pointing_index",
    "adduction_of_extended_fingers",
    "wrist_supination_about_middle",
    "wrist_pronation_about_middle",
    "wrist_supination_about_little",
    "wrist_pronation_about_little",
    "wrist_flexion",
    "wrist_extension",
    "wrist_radial_deviation",
    "wrist_ulnar_deviation",
    "wrist_extension_with_closed_hand",
)
"""Exercise B."""

GRASPS = (
    "large_diameter_grasp",
    "small_diameter_grasp",
    "fixed_hook_grasp",
    "index_finger_extension_grasp",
    "medium_wrap",
    "ring_grasp",
    "prismatic_four_fingers_grasp",
    "stick_grasp",
    "writing_tripod_grasp",
    "power_sphere_grasp",
    "three_finger_sphere_grasp",
    "precision_sphere_grasp",
    "tripod_grasp",
    "prismatic_pinch_grasp",
    "tip_pinch_grasp",
    "quadpod_grasp",
    "lateral_grasp",
    "parallel_extension_grasp",
    "extension_type_grasp",
    "power_disk_grasp",
    "open_bottle_with_tripod_grasp",
    "turn_screw_with_stick_grasp",
    "cut_with_index_finger_extension_grasp",
)
"""Exercise C."""

FORCES = (
    "force_little_flexion",
    "force_ring_flexion",
    "force_middle_flexion",
    "force_index_flexion",
    "force_thumb_abduction",
    "force_thumb_flexion",
    "force_index_and_little_flexion",
    "force_ring_and_middle_flexion",
    "force_index_and_thumb_flexion",
)
"""Exercise D."""

DECODED = (
    "thumb_flexion_extension",
    "thumb_abduction_adduction",
    "index_flexion_extension",
    "middle_flexion_extension",
    "ring_and_little_flexion_extension",
    "index_pointer",
    "cylindrical_grip",
    "lateral_grip",
    "tripod_grip",
)
"""The movements of DB8."""
