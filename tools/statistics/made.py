"""Makes sweeps' folders with invented trials, for made_sweeps.py and thousand_trials.py."""
import json
import tomllib

import numpy as np

from sweep_folder import expand

CLASSES = ("Yes", "No", "Maybe")


class MadeSweep:
    """A plan, its trials, and questions with a difficulty of their own."""

    def __init__(self, folder, plan, seed):
        self.folder, self.rng = folder, np.random.default_rng(seed)
        folder.mkdir(parents=True)
        text = f'name = "{folder.name}"\nmodel = "/models/made"\ndata = "/data"\n{plan}'
        (folder / "plan.toml").write_text(text)
        self.trials = expand(tomllib.loads(text))
        self.difficulty = {}

    def ids(self, count, first=0):
        return [f"question-{first + i}" for i in range(count)]

    def right(self, ids, ability=0.5, noise=1.0):
        """0 or 1 for each question: logistic in ability less difficulty."""
        for i in ids:
            self.difficulty.setdefault(i, self.rng.normal(0.0, 1.5))
        logits = ability - np.array([self.difficulty[i] for i in ids])
        return (self.rng.logistic(0.0, noise, len(ids)) < logits).astype(float)

    def f1(self, ids, ability=0.5):
        """Scores as F1 has them: 0, 1, and fractions of words."""
        right = self.right(ids, ability)
        words = self.rng.integers(2, 9, len(ids))
        part = self.rng.integers(1, words) / words
        return np.where(self.rng.random(len(ids)) < 0.3, 2 * part / (1 + part), right)

    def entries(self, ids, scores, candidates=True):
        gold = [CLASSES[sum(map(ord, i)) % 7 % 3] for i in ids]
        for i, answer, score in zip(ids, gold, scores):
            others = [c for c in CLASSES if c != answer]
            given = answer if score == 1.0 else others[int(self.rng.integers(2))]
            entry = {"id": i, "prediction": given, "gold": [answer], "score": float(score)}
            if candidates:
                logs = {c: float(-self.rng.exponential()) - (0.0 if c == given else 5.0) for c in CLASSES}
                entry |= {"scores": list(logs.values()), "tokens": [1, 1, 2]}
            yield entry

    def place(self, trial):
        place = self.folder / "trials" / trial.id
        place.mkdir(parents=True, exist_ok=True)
        return place

    def finish(self, trial, entries, metric="accuracy", dev=None, loss=None, **more):
        """Writes a finished trial."""
        entries = list(entries)
        scores = [entry["score"] for entry in entries]
        score = sum(scores) / max(1, len(scores))
        test = {"id": trial.id, "task": trial.task, "method": trial.method, "setting": dict(trial.setting + trial.tuned),
                "learning_rate": trial.rate, "seed": trial.seed, "metric": metric, "score": score,
                "correct": int(sum(scores)) if metric == "accuracy" else None, "total": len(entries),
                "interval": [0.0, 1.0], "official": None, "links": 2 if trial.trains else 0,
                "tested_links": 1 + trial.seed % 2 if trial.trains else 0}
        if trial.trains:
            test |= {"dev_score": float(self.rng.integers(20, 81) / 100) if dev is None else dev,
                     "dev_loss": float(self.rng.exponential()) if loss is None else loss, "steps": 100,
                     "hf_flos": float(self.rng.integers(10**9, 10**12)), "hf_flos_saved": float(self.rng.integers(0, 10**8)),
                     "real_flops": float(self.rng.integers(10**9, 10**12)), "seconds": float(self.rng.exponential(30.0))}
        place = self.place(trial)
        (place / "predictions.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        (place / "test.json").write_text(json.dumps(test | more, indent=2) + "\n")

    def diverge(self, trial):
        (self.place(trial) / "test.json").write_text(json.dumps({"id": trial.id, "diverged": "the loss is nan at step 3"}))

    def fail(self, trial, text="no memory for the weights\nwhat came before it\n"):
        (self.place(trial) / "error.txt").write_text(text)
