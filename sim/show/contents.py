"""What the page of each kind of study says beside its figures: head, facts, tables, sources."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sim.outcomes.occupancy import is_limited
from sim.scenario.cautions import doubts
from sim.scenario.endpoints import Key, column, key_of
from sim.scenario.schema import Scenario
from sim.scenario.study_file import ARM
from sim.show import run_tables
from sim.show.checklist import REFERENCE, checklist, evidence_in_use
from sim.show.kit.formats import rows
from sim.show.kit.grid import Cells, Column, Grid, numbers
from sim.show.kit.prose import one_sentence, sentences
from sim.show.kit.scenario_words import replication
from sim.show.sources import all_values, evidence_grid, set_values
from sim.show.swept import found_sentences
from sim.show.trial_data import first_report
from sim.study.verification import read_checks
from sim.work.results import Results

_SPOKEN = {
    "overall_survival_enrolled": "survival of all enrolled",
    "treatment_related_mortality": "treatment-related mortality",
    "overall_survival": "survival of the reinfused",
}


@dataclass(frozen=True)
class Contents:
    """What a page says.

    Attributes
    ----------
    title
        The head line.
    scenarios
        Whose cautions and purposes are told.
    facts
        What the template of the kind is given.
    finding
        In one sentence; empty where the leading figure says it.
    opening
        What is said before the leading figure's finding.
    without_pictures
        The finding where there is no figure.
    leads, elsewhere
        Names of figures: of which the first that is there leads, and that have a section of their own.
    beside
        Other files that are made with the page: name and text.
    counted
        What a report says in numbers of what it holds.
    told
        Cautions that are no scenario's.
    """

    title: str
    scenarios: tuple[Scenario, ...]
    facts: Mapping[str, Any] = field(repr=False)
    finding: str = ""
    opening: str = ""
    without_pictures: str = ""
    leads: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    counted: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()

    @property
    def cautions(self) -> list[str]:
        """What a reader of the scenarios has to know, each once."""
        told = [text for own in self.scenarios for text in (own.caution, *(text for _, text in doubts(own)))]
        return list(dict.fromkeys(filter(None, (*self.told, *told))))


def _of_run(results: Results) -> Contents:
    manifest = results.manifest
    scenario = results.scenario
    endpoints = results.tables["endpoints"]
    words, drawn, points = replication(scenario), bool(results.draws), results.table("range")
    compared = results.table("checks")
    checks = [] if compared is None else read_checks(compared)
    report = first_report(results)
    read, items = results.table("censored_readings"), checklist(scenario, manifest)
    waits = None
    if endpoints["target"].notna().any():
        answers = run_tables.targets([(manifest["scenario"], endpoints, scenario)])
        waits = run_tables.defined(endpoints, scenario, waits=True)
    else:
        answers = run_tables.defined(endpoints, scenario)
    facts = {
        "words": words,
        "errors": [
            *sentences("run", "errors", drawn, words),
            *run_tables.drawn_notes(run_tables.main_rows(rows(endpoints), scenario), manifest),
        ],
        "answers": answers,
        "waits": waits,
        "closing": run_tables.closing(scenario),
        "over_range": None if points is None else run_tables.over_range(points, scenario),
        "endpoints": run_tables.defined(endpoints, scenario, full=True),
        "censored": None if read is None else run_tables.censored(read),
        "censored_finding": "" if read is None else run_tables.censored_finding(read),
        "trial": None if report is None else run_tables.trial(report, scenario),
        "trial_notes": () if report is None else report.notes,
        **_sources(manifest, scenario),
        "checks": run_tables.checks(checks),
        "failed": sum(not check.passed for check in checks),
        "checklist": items,
        "checklist_reference": REFERENCE,
    }
    over = {} if points is None or scenario.cohort.enters_at == "home" else run_tables.range_bands(points)
    texts = {row.key: row.estimate_text for row in rows(endpoints) if not math.isnan(row.estimate)}
    survival = {key: text for key, text in texts.items() if key[0] == "overall_survival_enrolled"}
    unanswered = [item.number for item in items if item.status != "answered"]
    return Contents(
        scenario.title,
        (scenario,),
        facts,
        finding=_finding("Over the range, ", over),
        opening=_finding("", survival) if is_limited(scenario) else "",
        without_pictures=_finding("", texts),
        leads=("range", "rooms", "survival"),
        elsewhere=("pathway",) if report is None else ("pathway", "trial", "swimmer"),
        counted={
            "checks": len(checks), "checks_failed": facts["failed"],
            "checklist_items": len(items), "checklist_unanswered": unanswered,
        },
    )  # fmt: skip


def _finding(start: str, texts: Mapping[Key, str]) -> str:
    """Say in one sentence what the main endpoints are, each at its latest time; empty without any."""
    last = {name: (time, text) for (name, time), text in texts.items()}
    said = [(words, *last[name]) for name, words in _SPOKEN.items() if name in last]
    return one_sentence("run", "main", start, said)


def _sources(manifest: Mapping[str, Any], scenario: Scenario) -> dict[str, Grid]:
    """Return what every page of one scenario tells of its values."""
    rows = manifest["parameters"]
    return {
        "own_values": set_values(rows, manifest["scenario"]),
        "all_values": all_values(rows),
        "evidence": evidence_grid(evidence_in_use(rows, scenario)),
    }


def _of_study(results: Results) -> Contents:
    from sim.show import studied

    manifest, points = results.manifest, results.tables["points"]
    scenario, vary, shown = results.scenario, manifest["vary"], shown_in(manifest)
    said, answers = found_sentences(results, shown), studied.answers(results)
    facts = {
        "answers": answers,
        "points_grid": run_tables.swept(points, list(vary) or ["point"], shown),
        "points": points["point"].nunique(),
        "sentences": said,
        "how": studied.how(results),
        "varied": studied.varied(results),
        "arms": studied.arms(results),
        "all_at_once": studied.all_at_once(results, shown),
        "uncertain": studied.uncertain(results),
        "assumed_values": studied.assumed_values(results),
        **_sources(manifest, scenario),
    }
    found = next((each.sentences[0] for each in answers if each.sentences), next(iter(said), ""))
    every = [Scenario.model_validate(each["resolved"]) for each in manifest["arms"]]
    return Contents(
        scenario.title,
        tuple(every) or (scenario,),
        facts,
        finding="" if list(vary) == [ARM] else found,  # of arms their curves say it
        without_pictures=found,
        leads=(
            "explained", "arms", *(each.name for each in answers), "sweep",
            f"map_{column(shown[0]).replace('@', '_')}", "scatter",
        ),
        elsewhere=tuple(each.name for each in answers),
    )  # fmt: skip


def _of_solve(results: Results) -> Contents:
    from sim.show import thresholds

    said, scenario = thresholds.sentences_of(results), results.scenario
    facts = {"answers": thresholds.table(results), "sentences": said, **_sources(results.manifest, scenario)}
    return Contents(scenario.title, (scenario,), facts, finding=thresholds.finding(results))


def shown_in(manifest: Mapping[str, Any]) -> list[Key]:
    """Return the endpoints that a sweep shows: those asked for, and what moves most."""
    return [key_of(text) for text in (*manifest["shown"], manifest["moves_most"]) if text]


def _of_compare(results: Results) -> Contents:
    from sim.show import comparison, studied
    from sim.show.kit.pairs import endings

    entries, scenarios = results.manifest["scenarios"], results.scenarios
    reference, *names = comparison.names(results)
    said = {name: comparison.found_sentences(results, name) for name in names}
    ending = endings(results)
    unpaired = {each["scenario"]: each["unpaired_because"] for each in entries}
    facts = {
        "others": [
            {
                "name": name,
                "sentences": said[name],
                "ending": ending[name],
                "differences": comparison.compared(results, name),
                "ranges": list(comparison.over_ranges(results, name)),
                "named": comparison.named_patients(results, name),
                "unpaired": unpaired[name],
                "apart": bool(comparison.why_incomparable(results, name)),
            }
            for name in names
        ],
        "why": studied.explanation(results) if "explain" in results.manifest else None,
        "reference": reference,
        "ranked": comparison.ranked(results) if len(names) > 1 else None,
        "differing": comparison.differing(results),
        "values": [all_values(each["parameters"], f"All values of {each['scenario']}") for each in entries],
        "evidence": evidence_grid(_used(entries, scenarios)),
    }
    return Contents(
        f"{', '.join(names)} compared with {reference}",
        tuple(scenarios.values()),
        facts,
        finding=said[names[0]][0] if len(names) == 1 else comparison.ranking(results)[0],
    )


def _of_validate(results: Results) -> Contents:
    from sim.show import own_patients, validation

    manifest = results.manifest
    read = validation.lines(results.tables["validation"])
    scenarios = results.scenarios
    both = validation.tallies(manifest)
    heads = tuple(map(Column, ("cohort", "figure", "shares", "differs", "source")))
    shared = [(line.cohort, line.label, line.overlaps, line.differs, line.source) for line in read]
    columns = (*map(Column, ("cohort", "title", "base")), *numbers("patients"), Column("source"))
    cohorts: list[Cells] = []
    for each in manifest["cohorts"]:
        own, base = scenarios[each["cohort"]], each["base"] or "its own scenario"
        cohorts.append((each["cohort"], own.title, base, str(own.cohort.patients), each["source"]))
    table = {**manifest["table"], "base": manifest["cohorts"][0]["base"]} if "own" in manifest else None
    facts = {
        "own": table,
        "sentences": own_patients.answer(results) if table else validation.found_sentences(results),
        "answers": own_patients.predictions(results) if table else validation.predictions(results),
        "events": own_patients.calibration(results) if table else None,
        "overlaps": Grid("What each figure shares with the fit, and what differs", heads, shared),
        "cohorts": Grid("Cohorts", columns, cohorts),
        "values": [set_values(each["parameters"], each["cohort"]) for each in manifest["cohorts"]],
        "evidence": evidence_grid(_used(manifest["cohorts"], scenarios)),
    }
    title = "Validation: the model against cohorts to which it was not fitted"
    found = f"{validation.finding(*both)}."
    if table:
        title, found = f"Your patients against {table['base']}", f"{own_patients.finding(results)}."
    return Contents(title, (), facts, finding=found, leads=("validation",), elsewhere=("own_curves",))


def _used(entries: Sequence[Mapping[str, Any]], scenarios: Mapping[str, Scenario]) -> list[str]:
    """Return the ids of the evidence that several scenarios name."""
    both = zip(entries, scenarios.values(), strict=True)
    return sorted({name for each, own in both for name in evidence_in_use(each["parameters"], own)})


def _of_calibrate(results: Results) -> Contents:
    from sim.show import calibration_card as cards
    from sim.show import calibration_tables, calibration_words
    from sim.show.calibration_shown import Shown

    manifest, shown = results.manifest, Shown.of(results)
    steps, drawn = cards.card(shown, manifest), shown.draws is not None
    facts = {
        "posterior": manifest["posterior"],
        "rough": calibration_words.rough_text(manifest),
        "published": calibration_tables.targets_published(shown),
        "grids": calibration_tables.grids(results),
        "priors": calibration_tables.priors(shown) if drawn else None,
        "directions": calibration_words.directions_text(shown.tables["directions"]) if drawn else "",
        "ridge": calibration_words.ridge_text(shown),
        "missing": {int(step.number): step.missing for step in steps},
        "extrapolation": calibration_words.extrapolation_text(shown.scenario),
        **_sources(manifest, shown.scenario),
        "evidence": evidence_grid(calibration_tables.evidence_named(shown)),
        "reference": cards.REFERENCE,
        "steps": steps,
    }
    return Contents(
        f"{shown.scenario.title}: calibration",
        (shown.scenario,),
        facts,
        without_pictures=calibration_words.point_text(shown.scenario),
        leads=("survival", "parameters"),
        beside={cards.CARD: cards.card_text(shown, manifest)},
        counted={"card_missing": sum(len(step.missing) for step in steps)},
    )


def _of_patients(results: Results) -> Contents:
    from sim.show import described

    facts = {
        "grids": described.grids(results),
        "intervals": sentences("described", "intervals"),
        "privacy": described.privacy(results.manifest),
    }
    told = described.cautions(results.manifest)
    return Contents(
        described.title(results), (), facts, finding=f"{described.finding(results)}.", told=tuple(told)
    )


def _of_learn(results: Results) -> Contents:
    from sim.show import calibration_tables, calibration_words, learned
    from sim.show.calibration_shown import Shown

    manifest, shown = results.manifest, Shown.of(results)
    finding, *more = learned.found_sentences(results)
    facts = {
        "posterior": manifest["posterior"],
        "patients": manifest["patients"],
        "rough": calibration_words.rough_text(manifest),
        "seen": [*learned.seen_sentences(results), *more],
        "rests": learned.rests_on(results),
        "of_whom": learned.caution(shown.scenario),
        "grids": list(learned.grids(results)),
        "priors": calibration_tables.priors(shown),
        **_sources(manifest, shown.scenario),
    }
    title = f"{shown.scenario.title}: what {manifest['patients']['patients']} patients of your own add"
    told = shown.scenario.model_copy(update={"purpose": ""})  # it is about other patients now
    return Contents(title, (told,), facts, finding=finding, leads=("learned",))


CONTENTS: Mapping[str, Callable[[Results], Contents]] = {
    "run": _of_run,
    "study": _of_study,
    "compare": _of_compare,
    "validate": _of_validate,
    "solve": _of_solve,
    "calibrate": _of_calibrate,
    "learn": _of_learn,
    "patients": _of_patients,
}
"""By the kind of study."""
