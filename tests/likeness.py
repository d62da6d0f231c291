"""How much two pictures are alike."""

import numpy as np


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Mean SSIM of two pictures' luma over blocks of 8 x 8 (Wang 2004: C1 = (0.01 L)^2, C2 = (0.03 L)^2)."""
    def blocks(image: np.ndarray) -> np.ndarray:
        luma = image.astype(np.float64) @ (0.299, 0.587, 0.114)
        rows, columns = (side // 8 for side in luma.shape)
        return luma[:rows * 8, :columns * 8].reshape(rows, 8, columns, 8).swapaxes(1, 2).reshape(-1, 64)

    a, b = blocks(one), blocks(other)
    mean_a, mean_b, c1, c2 = a.mean(1), b.mean(1), 2.55**2, 7.65**2
    both = ((a - mean_a[:, None]) * (b - mean_b[:, None])).mean(1)
    return float(((2 * mean_a * mean_b + c1) * (2 * both + c2) / ((mean_a**2 + mean_b**2 + c1) * (a.var(1) + b.var(1) + c2))).mean())
