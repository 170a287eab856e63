"""What every model card (README.md of a model folder) says: what model hubs read, and how the model is used."""


def card_head(*, standard: bool) -> str:
    """The metadata of a model of standard modules, or of one that Acclimate alone reads."""
    tags = ["sentence-similarity", "feature-extraction", "acclimate"]
    library = "sentence-transformers" if standard else "acclimate"
    listed = "\n".join(f"- {tag}" for tag in (["sentence-transformers", *tags] if standard else tags))
    return f"library_name: {library}\npipeline_tag: sentence-similarity\ntags:\n{listed}"


def card_use(*, standard: bool) -> str:
    """Code that encodes a text."""
    ours = """import acclimate

encoder = acclimate.load("path/to/this/folder")
vectors = encoder.encode(["a text"])"""
    peer = """from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
vectors = model.encode(["a text"])"""
    if standard:
        return f"```python\n{peer}\n```\n\nor\n\n```python\n{ours}\n```"
    return (
        "It has parts that no standard module can say, so sentence-transformers refuses it instead of leaving them "
        f"out.\n\n```python\n{ours}\n```"
    )
