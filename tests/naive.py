"""Layers as loops over float64 NumPy arrays, for references that share no code with what they check."""

import numpy as np


def convolve(x, weight, stride=1, padding=0):
    """x [B, C, H, W], weight [D, C, k, l]: cross-correlation, zero padding."""
    batch, channels, height, width = x.shape
    padded = np.zeros((batch, channels, height + 2 * padding, width + 2 * padding))
    padded[:, :, padding : padding + height, padding : padding + width] = x
    rows = (padded.shape[2] - weight.shape[2]) // stride + 1
    columns = (padded.shape[3] - weight.shape[3]) // stride + 1
    y = np.zeros((batch, weight.shape[0], rows, columns))
    for b, d, i, j in np.ndindex(y.shape):
        for c, k, m in np.ndindex(weight.shape[1:]):
            y[b, d, i, j] += weight[d, c, k, m] * padded[b, c, i * stride + k, j * stride + m]
    return y


def convolve_transposed(x, weight, stride, padding):
    """x [B, C, H, W], weight [C, D, k, k]: every input pixel adds its kernel to the output; a border is cut off."""
    batch, _, height, width = x.shape
    side = weight.shape[2]
    y = np.zeros((batch, weight.shape[1], (height - 1) * stride + side, (width - 1) * stride + side))
    for b, c, i, j in np.ndindex(x.shape):
        for d, k, m in np.ndindex(weight.shape[1:]):
            y[b, d, i * stride + k, j * stride + m] += x[b, c, i, j] * weight[c, d, k, m]
    return y[:, :, padding : y.shape[2] - padding, padding : y.shape[3] - padding]


def batch_norm(x, scale, shift, epsilon=1e-5):
    """x [B, C, ...]: each channel minus its mean, over the root of its biased variance + epsilon."""
    y = np.zeros_like(x)
    for c in range(x.shape[1]):
        values = x[:, c]
        mean = sum(values.flat) / values.size
        variance = sum((v - mean) ** 2 for v in values.flat) / values.size
        y[:, c] = scale[c] * (values - mean) / (variance + epsilon) ** 0.5 + shift[c]
    return y


def relu(x):
    return np.where(x > 0, x, 0.0)


def average(x, height, width):
    """x [B, C, H, W]: means over the cells of a grid that divides the map."""
    batch, channels, tall, wide = x.shape
    k, m = tall // height, wide // width
    y = np.zeros((batch, channels, height, width))
    for b, c, i, j in np.ndindex(y.shape):
        y[b, c, i, j] = sum(x[b, c, i * k + p, j * m + q] for p in range(k) for q in range(m)) / (k * m)
    return y


def enlarge(x, height, width):
    """x [B, C, H, W]: every output pixel takes the input pixel that covers its corner (nearest, no interpolation)."""
    y = np.zeros((*x.shape[:2], height, width))
    for b, c, i, j in np.ndindex(y.shape):
        y[b, c, i, j] = x[b, c, i * x.shape[2] // height, j * x.shape[3] // width]
    return y


def weights(module):
    """A module's parameters and buffers by name, as arrays."""
    return {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}


def conv_bn(x, state, name, kernel=1):
    """Convolution `name.0` and batch norm `name.1` of a sequence."""
    y = convolve(x, state[f"{name}.0.weight"], padding=kernel // 2)
    return batch_norm(y, state[f"{name}.1.weight"], state[f"{name}.1.bias"])
