"""The page about a scan is whole, truthful and harmless."""

from __future__ import annotations

import ast
import base64
import dataclasses
import functools
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep.heads.builder import Heads
from runs.report import figures, formats, pictures, provenance, words
from runs.report.page import Controls, Page, Scanned, render

ROOT = Path(__file__).resolve().parents[1]
TARGET = [17.2, -22.9]  # degrees, [pitch, yaw]
COSTS = {"patch": [0.0052, 0.0044, 0.0061, 0.0049], "warp": [0.011, 0.013, 0.0098, 0.012], "generator": [0.019] * 4}
THRESHOLDS = {"patch": 0.0030, "warp": 0.0071, "generator": 0.013, "neural_cleanse": 0.002, "feature_re": 0.25}
VOID = {"meta", "link", "img", "br", "hr", "input"}


def _runs(costs, *, target, wander, unmet=()):
    """Summaries and histories of two runs per family that end near ``target``, by ``wander`` degrees."""
    rng = np.random.default_rng(0)
    runs, histories = [], []
    for family, pair in costs.items():
        for seed, cost in enumerate(pair):
            met = (family, seed) not in unmet
            end = np.array(target) + rng.normal(0, wander, 2)
            progress = np.clip(np.linspace(0, 4, 200), 0, 1)
            history = np.empty((200, 5), np.float32)
            history[:, 0] = cost * (1 + 14 * np.exp(-np.linspace(0, 7, 200))) * rng.lognormal(0, 0.03, 200)
            history[:, 1] = (0.1 if met else 0.6) ** progress * rng.lognormal(0, 0.15, 200)
            history[:, 2] = history[:, 1]
            history[:, 3:] = np.radians(progress[:, None] * end + rng.normal(0, 0.7, (200, 2)))
            rav = float(history[160:, 1].mean())
            estimate = end.round(3).tolist()
            runs.append(
                {"family": family, "seed": seed, "cost": cost, "rav": rav, "met": met, "target_estimate_deg": estimate}
            )
            histories.append((family, seed, history))
    return runs, histories


def _verdict(decision, family, runs, **changes):
    score = min(run["cost"] for run in runs if run["family"] == family)
    decider = next(run for run in runs if run["cost"] == score)
    verdict = {
        "verdict": decision,
        "family": family,
        "score": score,
        "threshold": THRESHOLDS[family],
        "margin": THRESHOLDS[family] / score,
        "chance_if_benign": 0.0004,
        "certainty": 1.0,
        "margin_interval_90": [0.9 * THRESHOLDS[family] / score, 1.04 * THRESHOLDS[family] / score],
        "target_estimate_deg": decider["target_estimate_deg"],
        "agreement": 5 / 6,
        "runs": runs,
    }
    return {**verdict, **changes}


@functools.lru_cache(maxsize=None)
def _images():
    return Heads(count=6, subjects=6, size=64, seed=3).build().images


def _patched(images, alpha):
    """A red patch in the corner."""
    patched = images.astype(np.float32)
    patched[:, -6:, -6:] = (1 - alpha) * patched[:, -6:, -6:] + alpha * np.float32([255, 0, 0])
    return patched.round().astype(np.uint8)


def _suspect(**changes):
    costs = {"patch": [0.0010, 0.0014], "warp": [0.0088, 0.0102], "generator": [0.0071, 0.0085]}
    runs, histories = _runs(costs, target=TARGET, wander=1.2, unmet={("warp", 1)})
    images = _images()
    verdict = _verdict("backdoored", "patch", runs, **changes)
    return Scanned("Suspect model", verdict, histories, images, _patched(images, 0.35), _patched(images, 1.0), 24)


def _without_curves(**changes):
    """Most of the drawing time goes into the curves of the searches."""
    return dataclasses.replace(_suspect(**changes), histories=[])


def _benign(**changes):
    costs = {"patch": [0.0050, 0.0057], "warp": [0.0121, 0.0119], "generator": [0.0202, 0.0171]}
    runs, histories = _runs(costs, target=[-4.0, 9.0], wander=12)
    images, rng = _images(), np.random.default_rng(1)
    blots = np.kron(rng.uniform(-1, 1, (1, 8, 8, 3)) ** 3, np.ones((1, 8, 8, 1)))
    changed = np.clip(images + 60 * blots, 0, 255).astype(np.uint8)
    settings = {"chance_if_benign": 0.83, "agreement": 1 / 6, **changes}
    return Scanned("Benign model", _verdict("benign", "patch", runs, **settings), histories, images, changed, None, 24)


def _page(**changes):
    page = Page(
        title="Gaze model from the supplier",
        task_name="gaze",
        outputs=("pitch", "yaw"),
        scans=[_suspect(), _benign()],
        controls=Controls(COSTS, THRESHOLDS),
        true_target_deg=TARGET,
        mitigation={
            "re": {"before_deg": 2.91, "after_deg": 3.14},
            "ae": {"before_deg": 1.02, "after_deg": 26.4},
            "dae": {"before_deg": 27.3, "after_deg": 3.93},
            "fine_tuning": {"re_deg": 3.02, "ae_deg": 6.1, "dae_deg": 21.7},
        },
        export={"path": "out/cleaned", "max_abs_difference": 2.4e-7, "sha256": "9f" * 32},
        deviations=["The weight of the input distance is steered, not fixed.", "Thresholds come from benign controls."],
        settings={"search": {"families": ["patch", "warp", "generator"], "steps": 200, "bound": 0.1}, "seed": 7},
        environment={
            "python": "3.11.7",
            "tensorflow": "2.15.1",
            "hardware": "2 CPU cores",
            "seconds": 184.2,
            "date": "2024-05-17",
        },
    )
    return dataclasses.replace(page, **changes)


class _Reader(HTMLParser):
    """Collects text and attributes, and insists that every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text, self.attributes, self.tags = [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing, at {self.getpos()}"

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    @property
    def prose(self):
        return re.sub(r"\s+", " ", " ".join(self.text))

    def values(self, name):
        return [value for key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def html():
    return render(_page())


@pytest.fixture(scope="module")
def page(html):
    return _Reader(html)


def test_the_page_loads_nothing(html, page):
    assert "http:" not in html and "https:" not in html
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(address.startswith("data:image/png;base64,") for address in page.values("src"))
    assert all(address.startswith("#") for address in page.values("href"))
    assert not re.search(r"url\((?!#)|@import", html)


def test_every_reference_inside_the_page_has_its_target(html, page):
    identities = page.values("id")
    assert len(identities) == len(set(identities))
    assert set(re.findall(r'(?:href="|url\()#([\w-]+)', html)) <= set(identities)


def test_the_page_is_small_enough_to_mail(html):
    assert len(html) < 1_000_000


def test_the_verdicts_are_said_in_words(page):
    assert "Very probably backdoored" in page.prose
    assert "No backdoor found" in page.prose
    assert "What this scan cannot exclude" in page.prose


def test_the_deciding_numbers_are_there(page):
    suspect = words.deciding_run(_suspect().verdict)["target_estimate_deg"]
    for number in [
        "0.10 % of the brightest benign image",  # score
        "line is drawn at 0.30 %",
        "4 benign control models need 0.44 % to 0.61 %",
        "3.0 ×",  # margin = 0.0030 / 0.0010
        "under 0.1 %",  # chance, 0.0004
        "collapsed in 5 of 6 runs",
        "83 %",  # agreement
        formats.direction(suspect, ("pitch", "yaw")).replace("\u00a0", " "),
        "26.4°",  # AE after
        "3.9°",  # DAE after
        "17.8° better",  # 21.7 - 3.93
        "2.4e-07",
        "9f" * 32,
    ]:
        assert number in page.prose, number


def test_a_real_suspect_shows_no_attacker(page):
    assert "For demonstration only" in page.prose and "dashed: the true target" in page.prose
    scan = dataclasses.replace(_suspect(), triggered_images=None)
    real = _Reader(render(_page(scans=[scan], true_target_deg=None)))
    for words_of_a_demonstration in ("demonstration", "true target", "attacker’s own trigger"):
        assert words_of_a_demonstration not in real.prose


def test_missing_parts_leave_out_their_sections(page):
    scan = _without_curves()
    bare = _Reader(
        render(
            _page(scans=[scan], controls=None, mitigation=None, export=None, deviations=[], settings={}, environment={})
        )
    )
    for heading in (
        "Before and after the clean-up",
        "The exported model",
        "How the search went",
        "Differences from the paper",
        "Settings",
        "Where and when",
        "benign controls need",
    ):
        assert heading not in bare.prose
    for heading in ("Before and after the clean-up", "The exported model", "How the search went", "Settings"):
        assert heading in page.prose


def test_every_measure_has_its_reading():
    assert len(words.measures(calibrated=True)) == len(words.readings(_suspect().verdict, COSTS["patch"]))


def test_without_the_trigger_only_the_clean_error_is_reported():
    mitigation = {
        "measured_on": "benign set",
        "re": {"before_deg": 2.9, "after_deg": 3.1},
        "dae": None,
        "fine_tuning": {"re_deg": 3.0},
    }
    prose = _Reader(render(_page(scans=[_without_curves()], mitigation=mitigation))).prose
    assert "went from 2.9° to 3.1°" in prose
    assert "cannot show that it is gone" in prose and "images that the clean-up itself used" in prose
    assert "to the attacker’s target; high" not in prose


def test_the_paper_s_constant_says_nothing_about_chance():
    scan = _without_curves(threshold=0.03, chance_if_benign=None)
    reader = _Reader(render(_page(scans=[scan], controls=None)))
    assert "Probably backdoored" in reader.prose
    assert "paper’s constant" in reader.prose
    assert "no benign models were measured" in reader.prose


def test_hostile_names_stay_text():
    evil = '<script>alert("1")</script>$\\frac$'
    scan = dataclasses.replace(_without_curves(), title=evil)
    html = render(
        _page(
            title=evil, scans=[scan], deviations=[evil], settings={evil: evil}, export={**_page().export, "path": evil}
        )
    )
    assert "<script" not in html
    assert evil in _Reader(html).prose


@pytest.mark.parametrize(
    "decision, changes, expected",
    [
        ("backdoored", {}, "Very probably backdoored"),
        ("backdoored", {"chance_if_benign": 0.03}, "Probably backdoored"),
        ("backdoored", {"chance_if_benign": None}, "Probably backdoored"),
        ("backdoored", {"certainty": 0.7}, "Possibly backdoored"),
        ("benign", {}, "No backdoor found"),
        ("benign", {"certainty": 0.7}, "No backdoor found, but it is close"),
    ],
)
def test_the_headline_is_as_strong_as_the_evidence(decision, changes, expected):
    assert words.headline(_verdict(decision, "patch", _suspect().verdict["runs"], **changes)) == expected


def test_a_search_that_never_collapsed_the_answers_gives_a_lower_bound_only():
    everything = {(family, seed) for family in COSTS for seed in range(2)}
    runs, _ = _runs({family: [0.02, 0.03] for family in COSTS}, target=[0, 0], wander=5, unmet=everything)
    verdict = _verdict("benign", "patch", runs, margin_interval_90=[0.0, 0.0], agreement=0.0)
    assert (
        words.finding(verdict, ("pitch", "yaw")) == "None of the 6 search runs made its answers collapse to one value."
    )
    readings = words.readings(verdict, COSTS["patch"])
    numbers = {measure.name: reading.value for measure, reading in zip(words.measures(calibrated=True), readings)}
    assert numbers["Score"] == "at least 2.0\u00a0%"
    assert numbers["Chance if benign"] == "unknown" and numbers["Agreement"] == "–"


def test_a_miss_in_a_demonstration_is_admitted():
    scan = _without_curves(verdict="benign")
    assert "The scan missed it" in _Reader(render(_page(scans=[scan]))).prose
    real = dataclasses.replace(scan, triggered_images=None)
    assert "The scan missed it" not in _Reader(render(_page(scans=[real], true_target_deg=None))).prose


def test_few_controls_are_pointed_out():
    runs = _suspect().verdict["runs"]
    strict = words.limits(_verdict("benign", "patch", runs, threshold=0.0003), COSTS["patch"], 24)
    assert "only 4: backdoors may pass" in strict[0]
    assert not any("only 4" in line for line in words.limits(_verdict("benign", "patch", runs), COSTS["patch"], 24))


@pytest.mark.parametrize(
    "people, changes, doubted",
    [
        (4, {"margin": 1.6}, "shows 4 people"),
        (1, {"margin": 1.6}, "shows 1 person"),
        (24, {"margin": 1.6}, None),
        (4, {"margin": 30.0}, None),
        (4, {"margin": 0.9, "verdict": "benign"}, None),
        (4, {"margin": 1.6, "chance_if_benign": None}, None),
    ],
)
def test_a_narrow_verdict_by_controls_of_few_people_is_doubted(people, changes, doubted):
    scan = dataclasses.replace(_without_curves(**changes), people=people)
    controls = None if changes.get("chance_if_benign", 1) is None else Controls(COSTS, THRESHOLDS)
    prose = _Reader(render(_page(scans=[scan], controls=controls))).prose
    assert ("may be a false alarm" in prose) is (doubted is not None) and (doubted or "") in prose


@pytest.mark.parametrize(
    "begun, told",
    [
        ({}, None),
        ({"woken": "re_lu_5[28]"}, "inside the model: channel re_lu_5[28] rests on benign images"),
        ({"square": "6 x 6 pixels at row 8, column 9"}, "as a square of one colour, 6 x 6 pixels at row 8, column 9"),
    ],
)
def test_a_finding_tells_what_its_search_began_with(begun, told):
    runs, _ = _runs({"patch": [0.0061, 0.0070]}, target=TARGET, wander=1)
    verdict = _verdict("backdoored", "patch", runs)
    words.deciding_run(verdict).update(begun)
    sentence = words.finding(verdict, ("pitch", "yaw"))
    assert sentence.count("The search for it began") == (told is not None) and (told or "") in sentence


@pytest.mark.parametrize(
    "family, told, raised",
    [
        ("generator", {"channel_share": 0.012, "channel_chance": 0.002}, "at most 1.2\u00a0% is left of both"),
        ("generator", {"channel_share": 0.03, "channel_chance": 0.2}, None),
        ("generator", {"channel_share": None, "channel_chance": None}, None),
        ("patch", {"channel_share": 0.012, "channel_chance": 0.002}, None),
        ("generator", {}, None),
    ],
)
def test_a_line_that_channels_have_raised_says_so(family, told, raised):
    runs, _ = _runs({family: [0.0061, 0.0070]}, target=TARGET, wander=1)
    said = words.comparison({**_verdict("backdoored", family, runs), **told}, [0.04, 0.05])
    assert ("higher than for others" in said) is (raised is not None) and (raised or "") in said


def test_a_change_that_benign_models_do_not_follow_is_told_with_its_size_and_what_of_it_counts():
    runs, _ = _runs({"warp": [0.0300, 0.0400]}, target=TARGET, wander=1)
    followed = _verdict("benign", "warp", [{**run, "transfer": 0.5, "price": run["cost"]} for run in runs])
    assert words.its_own(followed) is None and "50\u00a0%" in words.readings(followed, [0.05, 0.06])[-1].value
    own = _verdict("backdoored", "warp", [{**run, "transfer": -0.1, "price": run["cost"] / 5} for run in runs])
    own["score"] = 0.006
    assert "shifts the pixels by 3.0\u00a0% of" in words.finding(own, ("pitch", "yaw"))
    said = words.comparison(own, [0.05, 0.06])
    assert "leads benign models 0\u00a0% of the way" in said and "20\u00a0% of its size counts, 0.60\u00a0%." in said
    assert words.readings(own, [0.05, 0.06])[-1].remark == "20\u00a0% of its size counts"


def test_a_threshold_far_away_keeps_its_digits_and_does_not_stretch_the_axis():
    row = figures.Row("Suspect", False, [{"cost": 0.02, "met": True}], 0.02)
    far = figures.evidence("Patch", [0.019, 0.021], 0.000012, [row])
    assert "← threshold 0.0012 %" in far and ">0.10 %<" in far and ">0.010 %<" not in far


def test_a_warp_is_priced_in_shares_of_the_image_side():
    runs, histories = _runs({"warp": [0.0061, 0.0070]}, target=TARGET, wander=1)
    verdict = _verdict("backdoored", "warp", runs)
    assert "shifts the pixels by 0.61\u00a0% of the image’s side on average" in words.finding(verdict, ("pitch", "yaw"))


def test_every_trigger_family_has_its_words():
    tree = ast.parse((ROOT / "drmguard_tf/families.py").read_text(encoding="utf-8"))
    named = {getattr(n.target, "id", ""): n.value for n in tree.body if isinstance(n, ast.AnnAssign)}
    names = {key.value for key in named["FAMILIES"].keys}
    assert names and names | {"paper", *words.RIVALS} == set(words.FAMILIES)


def test_an_unknown_family_says_where_its_words_belong():
    with pytest.raises(ValueError, match="words for the trigger family 'sound'.*words.py"):
        words.family("sound")


def test_head_pose_with_three_outputs_and_grey_images():
    runs, histories = _runs({"paper": [0.021]}, target=TARGET, wander=0)
    runs[0]["target_estimate_deg"] = [17.2, -22.9, 3.0]
    histories = [(family, seed, np.c_[history, history[:, 3]]) for family, seed, history in histories]
    grey = _images()[..., :1]
    verdict = {
        **_suspect().verdict,
        "family": "paper",
        "score": 0.021,
        "threshold": 0.03,
        "chance_if_benign": None,
        "runs": runs,
        "target_estimate_deg": [17.2, -22.9, 3.0],
    }
    scan = Scanned("Suspect", verdict, histories, grey, grey, None, 24)
    prose = _Reader(
        render(_page(outputs=("yaw", "pitch", "roll"), scans=[scan], controls=None, true_target_deg=None))
    ).prose
    assert "yaw 17.2° (image left), pitch −22.9° (down), roll 3.0° (anticlockwise)" in prose


def test_what_is_ours_is_not_called_the_paper_s():
    ours = {part.name: part for part in provenance.parts(["patch", "warp"], calibrated=True, mitigated=False)}
    assert ours["Threshold"].paper == "" and ours["Trigger families"].ours == "patch and warp"
    papers = {part.name: part for part in provenance.parts(["paper"], calibrated=False, mitigated=True)}
    assert papers["Threshold"].ours == "" and "Trigger families" not in papers and "Steered search" not in papers


def test_images_must_fit_each_other():
    with pytest.raises(ValueError, match="reversed_images of 'Suspect model' must be uint8"):
        dataclasses.replace(_suspect(), reversed_images=_images()[:2])
    with pytest.raises(ValueError, match="'backdoored' or 'benign'"):
        _ = dataclasses.replace(_suspect(), verdict={"verdict": "maybe"})


def test_a_map_shows_the_largest_channel_and_names_its_scale():
    images = np.full((2, 3, 3, 3), 100, np.uint8)
    changed = images.copy()
    changed[1, 2, 0] = [97, 140, 100]
    row = pictures.residual(images, changed)
    assert row.largest == 40  # max(3, 40, 0)
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(row.strip.uri.partition(",")[2]))))
    assert pixels.shape == (3, 3 + 1 + 3, 4)  # two images and a gap
    assert (pixels[2, 4] != pixels[0, 0]).any() and (pixels[:, :3] == pixels[0, 0]).all()
    assert not pixels[:, 3].any()


@pytest.mark.parametrize(
    "share, expected",
    [(0.001, "0.10"), (0.0052, "0.52"), (0.03, "3.0"), (0.34, "34"), (0.00001234, "0.0012"), (0, "0")],
)
def test_shares_have_two_digits(share, expected):
    assert formats.percent(share) == f"{expected}\u00a0%"


def test_factors_keep_their_digits():
    assert [formats.times(factor) for factor in (3.02, 0.095, 0.002, 0)] == [
        "3.0 ×",
        "0.095 ×",
        "under 0.01 ×",
        "0 ×",
    ]


def test_certainty_is_total_only_where_it_is():
    assert formats.probability(1.0) == "100\u00a0%"
    assert formats.probability(0.998) == "over 99\u00a0%"
    assert formats.probability(2e-9) == "under 0.1\u00a0%"


def _rival(family, decision, cost, *, calibrated):
    runs, _ = _runs({family: [cost, 1.1 * cost]}, target=TARGET, wander=1)
    images = _images()
    scan = Scanned("Suspect model", _verdict(decision, family, runs), [], images, _patched(images, 0.3), None, 24)
    controls = Controls({family: [0.004, 0.005]}, {family: THRESHOLDS[family]}) if calibrated else None
    return _Reader(render(_page(scans=[scan], controls=controls, mitigation=None))).prose


def test_the_page_of_a_rival_says_whose_scan_it_is():
    prose = _rival("neural_cleanse", "backdoored", 0.001, calibrated=True)
    assert "This scan was made by Neural Cleanse" in prose and "covers 0.10 % of the image" in prose
    assert "Neural Cleanse: mask, pattern and target together (Eq. 8)" in prose
    assert "steered" not in prose.split("Whose idea is what")[1].split("Differences")[0]
    assert "This scan was made by" not in render(_page())


def test_the_constant_of_feature_re_is_not_the_papers():
    prose = _rival("feature_re", "benign", 0.6, calibrated=False)
    assert "FeatureRE’s authors call a model backdoored at 25 % or less" in prose
    assert "The search ended at a change that a network draws for every image" in prose


@pytest.mark.parametrize(
    "method, heading, sentence",
    [
        ("drmguard", "after unlearning", "unlearning the found change is 17.8° better"),
        ("anp", "after adversarial neuron pruning", "adversarial neuron pruning is 17.8° better"),
        ("fine-tuning", "after fine-tuning", "with which other methods are compared"),
    ],
)
def test_the_clean_up_has_the_name_of_its_method(method, heading, sentence):
    mitigation = {**_page().mitigation, "method": method}
    prose = _Reader(render(_page(scans=[_without_curves()], mitigation=mitigation))).prose
    assert heading in prose and sentence in prose
