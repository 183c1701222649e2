"""What metrics are called in tables and figures."""

MAIN_METRICS = {
    "micro_f1": "micro F1",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "samples_f1": "samples F1",
    "hamming_loss": "Hamming loss",
}
MORE_METRICS = {
    "micro_precision": "micro P",
    "macro_precision": "macro P",
    "weighted_precision": "weighted P",
    "samples_precision": "samples P",
    "micro_recall": "micro R",
    "macro_recall": "macro R",
    "weighted_recall": "weighted R",
    "samples_recall": "samples R",
    "subset_accuracy": "subset accuracy",
}
