"""The hand: names of its joints and landmarks, and its forward kinematics."""
