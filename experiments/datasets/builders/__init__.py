"""The TFDS builders of this package, by name."""

from experiments.datasets.builders.arxiv_abstracts import arxiv_abstracts_dataset_builder
from experiments.datasets.builders.chemical_exposure import chemical_exposure_dataset_builder
from experiments.datasets.builders.delicious_mil import delicious_mil_dataset_builder
from experiments.datasets.builders.diagnosis_codes import diagnosis_codes_dataset_builder
from experiments.datasets.builders.hallmarks_of_cancer import hallmarks_of_cancer_dataset_builder
from experiments.datasets.builders.holistic_video_understanding import (
    holistic_video_understanding_dataset_builder,
)
from experiments.datasets.builders.imaterialist_fashion import imaterialist_fashion_dataset_builder
from experiments.datasets.builders.mdi_icons import mdi_icons_dataset_builder
from experiments.datasets.builders.movie_posters import movie_posters_dataset_builder
from experiments.datasets.builders.mulan import mulan_dataset_builder
from experiments.datasets.builders.multilabel_builder import MultilabelBuilder
from experiments.datasets.builders.reuters21578 import reuters21578_dataset_builder
from experiments.datasets.builders.tox21 import tox21_dataset_builder
from experiments.datasets.builders.wikidata_movies import wikidata_movies_dataset_builder

BUILDERS: dict[str, type[MultilabelBuilder]] = {
    module.Builder.name: module.Builder
    for module in (
        arxiv_abstracts_dataset_builder,
        chemical_exposure_dataset_builder,
        delicious_mil_dataset_builder,
        diagnosis_codes_dataset_builder,
        hallmarks_of_cancer_dataset_builder,
        holistic_video_understanding_dataset_builder,
        imaterialist_fashion_dataset_builder,
        mdi_icons_dataset_builder,
        movie_posters_dataset_builder,
        mulan_dataset_builder,
        reuters21578_dataset_builder,
        tox21_dataset_builder,
        wikidata_movies_dataset_builder,
    )
}
