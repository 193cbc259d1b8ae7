"""What stands between a simulator and Gymnasium: spaces, info, pictures, time limits, and a trial at construction."""
