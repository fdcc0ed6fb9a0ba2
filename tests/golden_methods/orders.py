"""Orders in which the released codes count their classes, copied from the files where they stand.

Nothing here is imported from the project: what reads a checkpoint is held to these.
"""

_RAFDB = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""The labels 1 to 7 of RAF-DB's own list (its readme); codes that read the list subtract 1."""

STANDS_IN = {
    "apvit": "youqingxiaozhua/APViT @ 9efaf971, mmcls/datasets/raf.py: FER_CLASSES",
    "ceprompt": "HaoliangZhou/CEPrompt @ 7c502b02, dataloader/rafdb/rafdb.py: the list's label - 1",
    "dan": "yaoing/DAN @ 3872eefe, rafdb.py: the list's label - 1, written out beside",
    "ddamfn": "SainingZhang/DDAMFN @ cebfe5c5, rafdb_test.py: class_names",
    "dmue": "JDAI-CV/FaceX-Zoo @ 16b793a7: not there for RAF-DB; taken to be the list's",
    "eac": "zyh-uaiaaaa/Erasing-Attention-Consistency @ 61efdfd3, src/dataset.py: the list's label - 1",
    "lnsu": "zyh-uaiaaaa/Mine-Extra-Knowledge @ 2ec823d, code/expression/datasets.py: the list's label - 1",
    "poster": "zczcwh/POSTER @ ba2e3e98, data_preprocessing/dataset_raf.py: the list's label - 1, written out beside",
    "posterv2": "Talented-Q/POSTER_V2 @ 18de5591, main.py: names of folders, not there; taken to be the list's",
    "resemotenet": "ArnabKumarRoy02/ResEmoteNet @ fabbe680, data_preprocessing/data_csv.py: label_mapping",
    "scn": "kaiwang960112/Self-Cure-Network @ 9f4c3ad8, src/train.py: the list's label - 1, written out beside",
}

ORDERS = {
    **dict.fromkeys(STANDS_IN, _RAFDB),
    "apvit": ("anger", "disgust", "fear", "sadness", "happiness", "surprise", "neutral"),
    "ddamfn": ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger"),
    "resemotenet": ("happiness", "surprise", "sadness", "anger", "disgust", "fear", "neutral"),
}
