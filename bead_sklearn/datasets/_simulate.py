"""Simulated judgments with known truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from bead_sklearn._frames import make_frame, resolve_container
from bead_sklearn.datasets._design import balanced_design, progress
from bead_sklearn.datasets._judgments import Judgments, JudgmentTruth
from bead_sklearn.datasets._lexicon import CLASS_RANGES, WORDS
from bead_sklearn.datasets._model import draw_effects, draw_response, make_stimuli
from bead_sklearn.datasets._sentences import Template
from bead_sklearn.datasets._settings import (
    EXTRA_COLUMNS,
    Settings,
    resolve_settings,
)
from bead_sklearn.datasets._tasks import STYLES, Task, get_task


def make_judgments(
    task: str,
    *,
    n_participants: int = 50,
    n_items: int = 200,
    n_per_participant: int | None = None,
    n_categories: int | None = None,
    participant_sd: float | None = None,
    item_sd: float | None = None,
    text_sd: float | None = None,
    slope_sd: float = 0.0,
    slope_correlation: float = 0.0,
    slope: Any = 0.0,
    intercept: Any = None,
    distribution: str | None = None,
    link: str | None = None,
    thresholds: Any = None,
    sigma: float | None = None,
    precision: float | None = None,
    scale: Any = None,
    extra_columns: Sequence[str] = (),
    container: str = "auto",
    random_state: int | np.random.RandomState | None = None,
) -> Judgments:
    r"""Simulate judgments of texts from a mixed-effects model that is known exactly.

    Texts are made from templates and a fixed lexicon. Item :math:`i`, participant
    :math:`p` and progress through the session :math:`t` (from -1 at the first trial
    to 1 at the last) give the linear predictor

    .. math::
        \eta = \beta_0 + \beta_1 t + \sum_{w \in i} \omega_w
               + b_i + u_p + v_p t, \qquad y \sim \text{family}(g^{-1}(\eta)),

    where the :math:`\omega_w` are fixed weights of the words, the same in every call
    up to the factor that gives their sum the standard deviation ``text_sd``, and
    :math:`b_i`, :math:`(u_p, v_p)` are normal. Tasks with several outputs have one
    linear predictor, with its own effects, for each.

    ============= =================== ==================================== ==========
    task          texts               y                                    family
    ============= =================== ==================================== ==========
    binary        text                0, 1                                 Bernoulli
    categorical   premise, hypothesis contradiction, neutral, entailment   softmax
    forced_choice option_a, ...       name of the chosen column            softmax
    multi_select  text                indicator of the feelings ticked     Bernoullis
    ordinal       text                1 to ``n_categories``                cumulative
    slider        text                number within ``scale``              see below
    magnitude     text                number (reading time in ms)          see below
    cloze         text with ``___``   the filler                           softmax
    free_text     text (instruction)  a description in one of some styles  softmax
    ============= =================== ==================================== ==========

    Parameters
    ----------
    task : str
        One of the names above.
    n_participants, n_items : int, default=50 and 200
        Numbers of participants and items.
    n_per_participant : int, default=None
        Judgments of each participant, of different items; None means ``n_items``, 40
        at most. Items differ by one judgment at most.
    n_categories : int, default=None
        Number of labels (categorical, default 3), options (forced_choice 2,
        multi_select 5), scale points (ordinal 5), fillers (cloze 8) or styles
        (free_text 5).
    participant_sd, item_sd : float, default=None
        Standard deviations of the random intercepts of participants and items, in
        the unit of ``eta``. By default 1.0 and 0.5 where that unit is a logit or
        probit; 0.3 and 0.1 log units for lognormal magnitudes; 80 and 20 for normal
        ones; 0.2 and 0.1 of the scale's width for the truncated normal. For outputs
        that compete (softmax) they are standard deviations of the *difference* of two
        outputs: each output has an independent effect with variance ``sd**2 / 2``.
    text_sd : float, default=None
        Standard deviation over texts of the part of ``eta`` that their words explain,
        with the same convention (root mean square over outputs or pairs of outputs).
        By default 1.0 (cloze 2.0); 0.2 log units, 40, and 0.2 of the scale's width.
    slope_sd : float, default=0.0
        Standard deviation of the participants' slopes in ``progress``.
    slope_correlation : float, default=0.0
        Correlation of a participant's intercept and slope.
    slope, intercept : float or array-like of shape (n_outputs,), default=0.0 and None
        Fixed effects of ``progress`` and of the constant. The default intercept is
        0; 6.0 (log ms) and 500 for magnitudes; the middle of the scale for the
        truncated normal; -1 for feelings; minus the logarithm of the rank, centred,
        for fillers and styles.
    distribution : str, default=None
        Slider: "ordered_beta" [1]_ (default, with mass at both ends),
        "truncated_normal" or "beta". Magnitude: "lognormal" (default) or "normal".
    link : {"logit", "probit"}, default=None
        Link of binary and ordinal judgments; None means "logit".
    thresholds : array-like, default=None
        Cut points on the scale of ``eta``: ``n_categories - 1`` of them (ordinal), or
        the two of the ordered beta (default -2.5 and 2.5).
    sigma : float, default=None
        Residual standard deviation of magnitudes (default 0.35 log units or 80) and
        of the truncated normal (default 0.2 of the scale's width).
    precision : float, default=None
        Precision phi of the (ordered) beta distribution, default 5.
    scale : (float, float), default=None
        Ends of the slider; None means (0, 1).
    extra_columns : sequence of str, default=()
        Columns of ``frame`` to put into ``X`` besides the texts: "participant",
        "item", "trial" (from 1) and "progress".
    container : {"auto", "pandas", "polars", "records"}, default="auto"
        Type of ``X`` and ``frame``. "auto" is a pandas DataFrame if pandas is
        installed, else a polars DataFrame, else a list of dicts.
    random_state : int, RandomState or None, default=None
        Source of randomness. With the same integer, texts, design, effects and
        responses are drawn from separate streams, so that changing a standard
        deviation changes neither the texts nor who judges what.

    Returns
    -------
    judgments : Judgments
        ``X``, ``y``, ``groups`` (participant ids), ``items`` (item ids), ``frame``
        (all columns), ``task``, ``classes``, ``truth`` (every number of the model:
        see :class:`JudgmentTruth`) and ``DESCR``.

    Raises
    ------
    ValueError
        If a parameter has a bad value or no effect for the task, or if there are not
        enough different texts.

    See Also
    --------
    load_judgments : Read judgments from a file.

    Notes
    -----
    In a forced choice the utility of an option is the summed weight of its words plus
    the residual effect of that option of that item. Participants differ in their bias
    for positions.

    References
    ----------
    .. [1] Kubinec, R. (2022). Ordered beta regression: a parsimonious, well-fitting
       model for continuous data with lower and upper bounds. Political Analysis, 31,
       519-536. doi:10.1017/pan.2022.20

    Examples
    --------
    >>> from bead_sklearn.datasets import make_judgments
    >>> d = make_judgments("binary", n_participants=60, n_items=400, random_state=0)
    >>> d
    Judgments(task='binary', n_judgments=2400, n_items=400, n_participants=60)
    >>> list(d.X.columns), d.y[:5].tolist(), d.groups[0]
    (['text'], [...], 'p01')
    >>> float(d.truth.participant_covariance[0, 0])
    1.0
    >>> d = make_judgments("forced_choice", n_categories=3, random_state=0)
    >>> d.classes
    ('option_a', 'option_b', 'option_c')
    >>> d.truth.probabilities.shape
    (2000, 3)
    """
    spec = get_task(task)
    settings = resolve_settings(spec, locals())
    unknown = [name for name in extra_columns if name not in EXTRA_COLUMNS]
    if isinstance(extra_columns, str) or unknown:
        raise ValueError(
            f"extra_columns must be a list of names from {list(EXTRA_COLUMNS)}. "
            f"Got {extra_columns!r}."
        )
    container = resolve_container(container)
    parent = check_random_state(random_state)
    texts_rng, design_rng, effects_rng, response_rng = (
        np.random.RandomState(seed) for seed in parent.randint(2**31 - 1, size=4)
    )
    stimuli = make_stimuli(spec, settings, texts_rng)
    design = balanced_design(
        settings.n_participants,
        settings.n_items,
        settings.n_per_participant,
        design_rng,
    )
    effects = draw_effects(spec, settings, effects_rng)
    item = design.ravel()
    participant = np.repeat(np.arange(len(design)), design.shape[1])
    time = np.tile(progress(design.shape[1]), len(design))[:, None]
    eta_fixed = settings.intercept + settings.slope * time + stimuli.effects[item]
    eta = eta_fixed + effects.items[item] + effects.intercepts[participant]
    if settings.slope_sd:
        eta += effects.slopes[participant] * time

    response = draw_response(spec, settings, eta, response_rng)
    y, candidates = response.y, None
    if spec.name == "free_text":
        candidates = _describe(stimuli.texts.slots, settings.n_categories)
        y = candidates[item, response.codes]

    item_ids, participant_ids = _ids("i", settings.n_items), _ids("p", len(design))
    columns: dict[str, np.ndarray] = {
        "participant": participant_ids[participant],
        "item": item_ids[item],
        "trial": np.tile(np.arange(1, design.shape[1] + 1), len(design)),
        "progress": time[:, 0],
    }
    text_columns = spec.text_columns or spec.labels(settings.n_categories)
    for name, text in zip(text_columns, stimuli.columns, strict=True):
        columns[name] = text[item]
    columns["response"] = _join_sets(y, response.classes) if y.ndim == 2 else y
    in_x = {name: columns[name] for name in (*text_columns, *extra_columns)}

    used = sorted(
        position
        for name in {slot for template in spec.templates for slot in template.slots}
        for position in CLASS_RANGES[name]
    )
    truth = JudgmentTruth(
        family=settings.distribution,
        link=settings.link,
        intercept=_squeeze(settings.intercept),
        slope=_squeeze(settings.slope),
        words=tuple(WORDS[position] for position in used),
        word_weights=_squeeze(stimuli.weights[used]),
        text_effects=_squeeze(stimuli.effects),
        participant_effects=_squeeze(effects.intercepts),
        participant_slopes=_squeeze(effects.slopes),
        item_effects=_squeeze(effects.items),
        participant_ids=participant_ids,
        item_ids=item_ids,
        participant_covariance=effects.participant_covariance,
        item_covariance=effects.item_covariance,
        eta_fixed=_squeeze(eta_fixed),
        eta=_squeeze(eta),
        probabilities=response.probabilities,
        mean=response.mean,
        thresholds=settings.thresholds,
        sigma=settings.sigma,
        precision=settings.precision,
        candidates=candidates,
    )
    return Judgments(
        X=make_frame(in_x, container),
        y=y,
        groups=columns["participant"],
        items=columns["item"],
        frame=make_frame(columns, container),
        task=spec.name,
        classes=response.classes,
        truth=truth,
        DESCR=_describe_model(spec, settings),
    )


def _describe(slots: np.ndarray, n_styles: int) -> np.ndarray:
    """Write each scene in each style: an array of shape (n_items, n_styles)."""
    templates = [Template((pattern,), ()) for _, pattern in STYLES[:n_styles]]
    return np.array(
        [
            [template.render(scene)[0] for template in templates]
            for scene in slots.tolist()
        ],
        dtype=object,
    )


def _ids(letter: str, n: int) -> np.ndarray:
    width = len(str(n))
    return np.array([f"{letter}{k:0{width}d}" for k in range(1, n + 1)], dtype=object)


def _join_sets(y: np.ndarray, names: tuple[str, ...] | None) -> np.ndarray:
    """Write each row of an indicator matrix as names joined by ``|``."""
    assert names is not None
    codes, inverse = np.unique(y @ (1 << np.arange(len(names))), return_inverse=True)
    joined = [
        "|".join(name for k, name in enumerate(names) if code >> k & 1)
        for code in codes.tolist()
    ]
    return np.array(joined, dtype=object)[inverse]


def _squeeze(values: np.ndarray) -> Any:
    """Drop the axis of the outputs when there is one output."""
    if values.shape[-1] != 1:
        return values
    return float(values[0]) if values.ndim == 1 else values[..., 0]


def _describe_model(task: Task, settings: Settings) -> str:
    lines = [
        f"Simulated {task.name} judgments: {settings.n_participants} participants, "
        f"{settings.n_items} items, {settings.n_per_participant} judgments of each "
        "participant.",
        f"Family: {settings.distribution}, link: {settings.link}. Standard deviations "
        f"of eta: words {settings.text_sd:g}, items {settings.item_sd:g}, participants "
        f"{settings.participant_sd:g}, slopes in progress {settings.slope_sd:g}.",
    ]
    if task.kind == "choice":
        lines.append(
            "Standard deviations are those of the difference of two outputs; each "
            "output has its own independent effects."
        )
    for name in ("sigma", "precision", "thresholds", "scale"):
        value = getattr(settings, name)
        if value is not None:
            lines.append(f"{name}: {value}")
    return "\n".join(lines)
