"""What needs a hand: names of its joints and landmarks, and forward kinematics."""
