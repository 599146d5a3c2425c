"""
Training an encoder together with participant effects
=====================================================

An encoder that was made for other texts may not say what the judgments are about. It
can be trained on them, with the head and with the participants, who go on having
effects of their own.
"""

# %%
# No model is downloaded here: a small BERT with random weights and a tokenizer of whole
# words is made on the spot, and saved where ``from_pretrained`` finds it. A real study
# names a model instead, such as ``"sentence-transformers/all-MiniLM-L6-v2"``.

import tempfile
import warnings

import matplotlib.pyplot as plt
import numpy as np
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from bead_sklearn import BinaryClassifier
from bead_sklearn.nn import MixedEffectsNet

rng = np.random.default_rng(0)
ANIMALS = ["dog", "cat", "horse", "sheep", "crow", "owl", "trout", "eel"]
VERBS = ["sees", "likes", "avoids", "follows"]
texts = [f"the {a} {verb} the {b}" for a in ANIMALS for verb in VERBS for b in ANIMALS]

words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
words.train_from_iterator(
    texts,
    trainers.WordLevelTrainer(special_tokens=["[PAD]", "[UNK]"], show_progress=False),
)
folder = tempfile.TemporaryDirectory()
transformers.PreTrainedTokenizerFast(
    tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]"
).save_pretrained(folder.name)
torch.manual_seed(0)
transformers.BertModel(
    transformers.BertConfig(
        vocab_size=words.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
        initializer_range=0.1,
    )
).save_pretrained(folder.name)

# %%
# Thirty participants say whether a sentence sounds right to them. It does if both
# animals are of one kind, which is no sum of what its words contribute; and some
# participants say yes more readily than others.

kind = {animal: k // 2 for k, animal in enumerate(ANIMALS)}
fits = np.array([kind[t.split()[1]] == kind[t.split()[4]] for t in texts])
n_participants, n_each = 30, 80
participant = np.repeat(np.arange(n_participants), n_each)
item = np.concatenate(
    [rng.permutation(len(texts))[:n_each] for _ in range(n_participants)]
)
lenience = rng.normal(size=n_participants)
eta = np.where(fits[item], 2.0, -1.5) + lenience[participant]
y = np.where(rng.uniform(size=len(eta)) < 1 / (1 + np.exp(-eta)), "yes", "no")
X = np.array(texts, dtype=object)[item]
test = np.isin(item, rng.permutation(len(texts))[:64])  # sentences nobody trained on

# %%
# The same model with the encoder as it is, and with the encoder trained.

net = MixedEffectsNet(lr=2e-3, head_lr=5e-3, max_epochs=15, patience=8)
frozen = BinaryClassifier(encoder=folder.name)
tuned = BinaryClassifier(encoder=folder.name, fine_tune="full", net=net, random_state=0)
for name, model in (("frozen", frozen), ("tuned", tuned)):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the frozen features explain next to nothing
        model.fit(X[~test], y[~test], groups=participant[~test])
    score = model.score(X[test], y[test], groups=participant[test])
    print(f"{name}: accuracy on new sentences {score:.2f}")

# %%
# After training everything is refitted to the tuned features, so that the summary, the
# variance and the effects of participants are those of any other model.

component = tuned.variance_components_[0]
print(f"standard deviation of participants: {np.sqrt(component.variance[0]):.2f}")
estimated = tuned.effects_["groups"].modes[:, 0]

# %%
# Held-out participants say when to stop, and their loss falls; what participants are
# like is recovered beside it.

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.5), layout="constrained")
left.plot(tuned.tuning_.valid_loss, marker="o")
left.axvline(tuned.tuning_.best_epoch, color="0.7", linestyle="--")
left.set(xlabel="epoch", ylabel="loss of held-out participants")
right.scatter(lenience, estimated)
right.axline((0, 0), slope=1, color="0.7")
right.set(xlabel="true effect", ylabel="estimated effect")
plt.show()
folder.cleanup()
