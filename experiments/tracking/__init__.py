"""What is written down while an agent learns: metrics, TensorBoard, slates."""
