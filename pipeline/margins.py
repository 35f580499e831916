"""stub, replaced on merge"""

import numpy as np


def choose_margin(truths: np.ndarray, answers: np.ndarray, coverage: float) -> float:
    return float(np.quantile(np.abs(truths - answers), coverage))
