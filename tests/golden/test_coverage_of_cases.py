"""Every golden case of routing and embedding, and the test that covers it."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).resolve().parents[1]
MODELS = "routing/test_golden_routing.py"
CONFIGURATION = "routing/test_golden_configuration.py"
PARTS = "embedding/test_golden_embedding.py"
PROCEDURE = "embedding/test_golden_procedure.py"

#: File: pattern of cases -> test. The first pattern that fits counts.
COVERED = {
    "gating/gating.json": {
        "versions*": (MODELS, "golden"),
        "add_args*": (CONFIGURATION, "test_options_of_the_command_line"),
        "check_config_returns": (CONFIGURATION, "test_what_is_not_checked_there"),
        "config_none": (CONFIGURATION, "test_defaults_need_no_configuration"),
        "GatingModel_with_bert_*": (
            CONFIGURATION,
            "test_every_tokenizer_has_every_pooling",
        ),
        "SentenceEmbed_with_eos_*": (
            CONFIGURATION,
            "test_every_tokenizer_has_every_pooling",
        ),
        "num_uids_arg_overrides": (
            CONFIGURATION,
            "test_number_of_annotators_and_the_callers_values",
        ),
        "optimizer_param_shapes": (
            CONFIGURATION,
            "test_number_of_annotators_and_the_callers_values",
        ),
        "optimizer": (CONFIGURATION, "test_optimizer_is_plain_momentum"),
        "*_training_flag": (CONFIGURATION, "test_encoder_is_not_trained"),
        "requires_grad_encoder": (CONFIGURATION, "test_encoder_is_not_trained"),
        "*/encoder_got_grad": (CONFIGURATION, "test_encoder_is_not_trained"),
        "gating_gptneo/forward/5": (
            MODELS,
            "test_empty_text_has_a_vector_where_the_original_fails",
        ),
        "*/forward/*": (CONFIGURATION, "test_scores_of_the_first_heads"),
        "*/train/*": (MODELS, "test_training_step_by_step"),
        "*/n_uids": (MODELS, "test_training_step_by_step"),
        "*/lr": (MODELS, "test_training_step_by_step"),
        "*/momentum": (MODELS, "test_training_step_by_step"),
        "loss_cases/3": (CONFIGURATION, "test_missing_reward_is_not_asked"),
        "loss_cases/*": (MODELS, "test_losses"),
        "resync/*": (MODELS, "test_resync"),
        "numpy_rederivation*": (
            CONFIGURATION,
            "test_accumulation_is_what_was_measured",
        ),
        "independent_representation_check/*minilm*": (
            CONFIGURATION,
            "test_large_sentence_encoder",
        ),
        "independent_representation_check/*": (
            CONFIGURATION,
            "test_parts_of_long_texts",
        ),
    },
    "gating/gating.npz": {
        "*/rep*": (CONFIGURATION, "test_scores_of_the_first_heads"),
        "*/scores*": (CONFIGURATION, "test_scores_of_the_first_heads"),
        "*/W*": (MODELS, "test_training_step_by_step"),
        "*/b*": (MODELS, "test_training_step_by_step"),
        "*/grad_W*": (MODELS, "test_training_step_by_step"),
        "mean_pool/*": (MODELS, "test_mean_pooling"),
    },
    "embedding/aggregators.json": {
        "[0-9]*": (PARTS, "test_aggregators"),
        "MaxClicksAggregator": (PROCEDURE, "test_clicks_of_parts"),
    },
    "embedding/event_confidences.json": {"*": (PARTS, "test_confidences")},
    "embedding/fine_tuning_features.json": {
        "init_0d_tensor": (PROCEDURE, "test_joining_pairs"),
        "init_*": (PARTS, "test_pair_features"),
        "setter_*": (PROCEDURE, "test_joining_pairs"),
        "clamp_noop*": (PARTS, "test_clamping_without_all_tensors"),
        "clamp_without_target": (PARTS, "test_clamping_without_all_tensors"),
        "clamp_drops_nan": (PARTS, "test_clamping_without_all_tensors"),
        "clamp_*": (PARTS, "test_pair_features"),
        "_accumulate": (PROCEDURE, "test_joining_pairs"),
        "iadd_*": (PROCEDURE, "test_joining_pairs"),
        "plain_add": (PROCEDURE, "test_joining_pairs"),
        "use_positive_from_no_*": (PROCEDURE, "test_joining_pairs"),
        "use_positive_from_irr*": (PARTS, "test_positives_from_other_sessions"),
    },
    "embedding/finetuning_params.json": {
        "ExamplesType": (PARTS, "test_examples_types"),
        "fields": (PROCEDURE, "test_params_are_immutable"),
        "assignment_after_init": (PROCEDURE, "test_params_are_immutable"),
        "pydantic": (PARTS, "golden"),
        "*": (PARTS, "test_params"),
    },
    "embedding/head_behaviour.json": {
        "extractor default*": (PROCEDURE, "test_range_of_downsampling"),
        "negative_downsampling*": (PROCEDURE, "test_range_of_downsampling"),
        "*_abs_difference_threshold=*": (PROCEDURE, "test_range_of_thresholds"),
        "model type": (PROCEDURE, "test_types_of_options"),
        "ranker not callable": (PROCEDURE, "test_types_of_options"),
        "is_similarity not bool": (PROCEDURE, "test_types_of_options"),
        "examples_order *": (PROCEDURE, "test_types_of_options"),
        "finetuner passes*": (PROCEDURE, "test_types_of_options"),
        "ItemsSet*": (PROCEDURE, "test_what_raises_there_works_here"),
        "extractor*": (PROCEDURE, "test_what_raises_there_works_here"),
        "DistanceShift*": (PROCEDURE, "test_what_raises_there_works_here"),
        "DummySession*": (PROCEDURE, "test_what_raises_there_works_here"),
        "module.requires_grad*": (PROCEDURE, "test_freezing_and_dropout"),
        "*fix_query_model*": (PROCEDURE, "test_freezing_and_dropout"),
        "bert model in train mode*": (PROCEDURE, "test_freezing_and_dropout"),
        "Metric*": (PROCEDURE, "test_settings_and_records_of_runs"),
        "accumulator*": (PROCEDURE, "test_settings_and_records_of_runs"),
        "FineTuning*": (PROCEDURE, "test_settings_and_records_of_runs"),
        "HEAD ranker*": (PROCEDURE, "test_similarity_is_the_cosine"),
    },
    "embedding/inputs_and_pairs.json": {
        "paired_*_random": (PROCEDURE, "test_random_pairing_uses_every_session"),
        "paired_*": (PARTS, "test_pairing_of_sessions"),
        "splitter_*": (PROCEDURE, "test_splitter"),
        "basic": (PROCEDURE, "test_what_was_not_clicked"),
        "no_events": (PROCEDURE, "test_what_was_not_clicked"),
        "is_irrelevant*": (PROCEDURE, "test_what_was_not_clicked"),
        "remove_results": (PROCEDURE, "test_what_was_not_clicked"),
        "remove_results_*": (PROCEDURE, "test_dropping_items_is_dropping_rows"),
        "len": (PROCEDURE, "test_dropping_items_is_dropping_rows"),
        "*ranks*": (PROCEDURE, "test_lengths_of_sessions"),
        "*_coerced": (PROCEDURE, "test_items_that_are_no_strings"),
        "event_not_in_*": (PROCEDURE, "test_items_shown_twice_or_never"),
        "duplicate_results": (PROCEDURE, "test_items_shown_twice_or_never"),
    },
    "embedding/losses.json": {
        "cases/*": (PARTS, "test_losses_and_gradients"),
        "cosine_as_shipped*": (PARTS, "test_losses_and_gradients"),
        "constructor": (PARTS, "test_constructors_of_losses"),
        "set_margin_zero": (PROCEDURE, "test_margin_of_zero"),
        "utils/*": (PARTS, "test_helpers_of_losses"),
    },
    "embedding/pipeline_2024_03.json": {
        "one_session*": (PARTS, "test_extraction"),
        "two_sessions*": (PARTS, "test_extraction"),
        "thresholds*": (PARTS, "test_extraction"),
        "max_threshold*": (PARTS, "test_extraction"),
        "calculate_confidences": (PROCEDURE, "test_confidences_in_pairs"),
        "paired_not_irrelevant*": (PROCEDURE, "test_confidences_in_pairs"),
        "distance_target*": (PROCEDURE, "test_distances_are_a_target_of_losses"),
        "paired_contrastive": (PARTS, "test_contrastive_pairs_work_here"),
        "paired_contrastive_*": (PROCEDURE, "test_contrastive_training_works_here"),
        "train_contrastive": (PROCEDURE, "test_contrastive_training_works_here"),
        "first_irrelevant*": (PROCEDURE, "test_sessions_without_clicks_are_left_out"),
        "none_relevant": (PROCEDURE, "test_sessions_without_clicks_are_left_out"),
        "random_choices*": (PROCEDURE, "test_at_least_one_negative_and_none_twice"),
        "zero_negatives": (PROCEDURE, "test_at_least_one_negative_and_none_twice"),
        "calculate_ranks*": (PARTS, "test_similarities_and_distance_shift"),
        "distance_shift*": (PARTS, "test_similarities_and_distance_shift"),
        "train_with_session*": (PARTS, "test_session_with_clicks_only_teaches_nothing"),
        "train_*/steps": (PARTS, "test_training_step_by_step"),
        "train_*": (PROCEDURE, "test_what_is_tracked_in_training"),
        "independent_rederivation*": (PARTS, "test_training_step_by_step"),
    },
    "embedding/toy_two_tower_inputs.json": {"*": (PARTS, "test_training_step_by_step")},
}


def cases_of(path):
    """The names of the cases of a file."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return list(arrays)
    found = json.loads(path.read_text())
    if isinstance(found, list):
        names = []
        for i, case in enumerate(found):
            known = case.get("name") if isinstance(case, dict) else None
            last = list(case) if "aggregator" not in case and len(case) == 1 else [i]
            names.append(str(known if known is not None else last[0]))
        return names
    names = []
    for key, value in found.items():
        inside = value if path.stem in ("gating", "losses", "pipeline_2024_03") else 0
        if key == "cases" and path.stem == "finetuning_params":
            names += [case["name"] for case in value]
        elif isinstance(inside, dict) and not key.startswith(("calculate", "distance")):
            for name, part in inside.items():
                if isinstance(part, list) and part and isinstance(part[0], dict):
                    names += [f"{key}/{name}/{i}" for i in range(len(part))]
                else:
                    names.append(f"{key}/{name}")
        elif isinstance(inside, list) and inside and isinstance(inside[0], dict):
            names += [f"{key}/{i}" for i in range(len(inside))]
        else:
            names.append(key)
    return names


def covering(file, case):
    """The test that covers a case, None if there is none."""
    parts = (case, case.partition("/")[0])
    for pattern, test in COVERED[file].items():
        if any(fnmatchcase(part, pattern) for part in parts):
            return test
    return None


@pytest.mark.parametrize("file", COVERED)
def test_every_case_has_a_test(shared, file):
    path = shared / "golden" / file
    if not path.is_file():
        pytest.skip(f"needs shared/golden/{file}: not there")
    names = cases_of(path)
    assert names
    without = [name for name in names if covering(file, name) is None]
    assert not without
    used = {covering(file, name) for name in names}
    for module, test in used:
        assert f"def {test}(" in (TESTS / module).read_text(encoding="utf-8"), test
    # No entry here stands for a case that is not there.
    assert used == set(COVERED[file].values())


@pytest.mark.parametrize("folder", ["gating", "embedding"])
def test_every_file_is_listed(shared, folder):
    if not (shared / "golden" / folder).is_dir():
        pytest.skip(f"needs shared/golden/{folder}: not there")
    files = {
        f"{folder}/{path.name}"
        for path in (shared / "golden" / folder).iterdir()
        if path.suffix in (".json", ".npz")
    }
    assert files == {name for name in COVERED if name.startswith(f"{folder}/")}
    models = {p.name for p in (shared / "golden" / folder).iterdir() if p.is_dir()}
    source = (TESTS / MODELS).read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in models)
