"""The fused ops of neural networks: linear, convolution, pooling, norms, embedding, losses."""
