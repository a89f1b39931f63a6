"""The search tree in a real browser: stepping through it, asking what a branch saw, and going on from one that died."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import cast

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, Route, expect

from builders import caption, photo, photo_bytes
from captioner.captioner import Captioner
from demo import text
from demo.scripts import viewer_script
from demo.view import build_view
from scripted_tree import DEAD, DEAD_LOG_PROB, PRUNED, PRUNED_LOG_PROB, pruned_margin
from visits import GRADIO_WARNINGS, MARKUP, RED_DOG, TWO_DOGS, ScriptedCaptioner, Watch, visit

pytestmark = [pytest.mark.browser, *GRADIO_WARNINGS]

Visit = tuple[Page, Watch]
RED_DOG_SAID = caption(RED_DOG, 4, 6, 0)
SAY = text.VIEWER


def give(page: Page, name: str = "photo.png") -> None:
    """Upload a photo and wait for its caption."""
    file: FilePayload = {"name": name, "mimeType": "image/png", "buffer": photo_bytes()}
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.locator('.sw-viewer[data-kind="result"] .sw-caption').wait_for()


def chips(page: Page) -> Locator:
    return page.locator(".sw-caption .sw-word")


def words(page: Page) -> list[str]:
    return page.locator(".sw-caption .sw-word-text").all_text_contents()


def stage_map(page: Page) -> str:
    """The drawn map on the photo, as one long string."""
    drawn: str = page.locator(".sw-map").evaluate("canvas => canvas.toDataURL()")
    return drawn


def open_tree(page: Page) -> Locator:
    """The panel of the tree, opened."""
    page.get_by_role("tab", name=SAY["panel_tree"]).click()
    panel = page.locator(".sw-tree-panel")
    panel.wait_for()
    return panel


def branch(page: Page, words: str) -> Locator:
    """The branch with these words from the first to its own."""
    return page.locator(f'.sw-branch[aria-label^="{words}. "]')


def click_branch(page: Page, words: str) -> None:
    branch(page, words).locator(".sw-branch-box").click()


def card(page: Page) -> str:
    return page.locator(".sw-card-words").inner_text()


def in_sight(page: Page) -> list[str]:
    """The words of the branches on show, column by column."""
    found: list[str] = page.locator(".sw-branch").evaluate_all(
        """nodes => nodes.filter(node => getComputedStyle(node).visibility === "visible")
            .map(node => node.getAttribute("aria-label").split(". ")[0])"""
    )
    return found


def test_every_branch_is_there_and_says_what_became_of_it(desktop: Visit) -> None:
    page, watch = desktop
    give(page)
    posts = len(watch.posts)
    chips(page).nth(0).click()
    open_tree(page)
    expect(branch(page, "a red dog")).to_have_class("sw-branch sw-fate-kept sw-path")
    died = branch(page, DEAD).get_attribute("aria-label") or ""
    assert "kept at word 1; died out at word 2" in died
    assert f"log-probability so far −{-DEAD_LOG_PROB:.2f}" in died
    pruned = branch(page, f"a red {PRUNED}").get_attribute("aria-label") or ""
    assert f"pruned at word 3: {pruned_margin(2):.2f} below the worst one kept" in pruned
    total = float(RED_DOG_SAID.log_probs[:2].sum()) + PRUNED_LOG_PROB
    assert f"so far −{-total:.2f}" in pruned
    assert SAY["fate_finished"] in (branch(page, f"a red dog {SAY['stop']}").get_attribute("aria-label") or "")
    assert f"{MARKUP[:15]}…" in page.locator(".sw-branch-word").all_text_contents()
    assert page.locator(".sw-tree img").count() == 0
    assert len(watch.posts) == posts


def test_the_open_caption_is_the_path(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    path = page.locator(".sw-branch.sw-path .sw-branch-word")
    assert path.all_text_contents() == [*RED_DOG, SAY["stop_short"]]
    page.locator(".sw-alternative").nth(1).click()
    assert path.all_text_contents() == [*TWO_DOGS, SAY["stop_short"]]


def test_the_tree_follows_the_beam_width(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    many = page.locator(".sw-branch").count()
    page.get_by_role("slider", name="Beam width").press("Home")
    assert page.locator(".sw-branch-word").all_text_contents() == [*TWO_DOGS, SAY["stop_short"]]
    page.get_by_role("slider", name="Beam width").press("End")
    assert page.locator(".sw-branch").count() == many


def test_pruned_words_unfold_at_one_branch_and_everywhere(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    shown = set(in_sight(page))  # of every word, the two that nearly stayed
    tree = build_view(ScriptedCaptioner().describe(photo()), photo(), "")["trees"]["widths"]["5"]
    hidden = len(tree["fates"]) - len(shown)
    assert hidden > 0
    everywhere = page.get_by_role("button", name=SAY["tree_all"])
    everywhere.click()
    assert len(in_sight(page)) == len(tree["fates"])
    expect(everywhere).to_have_attribute("aria-pressed", "true")
    unseen = next(words for words in in_sight(page) if words not in shown and MARKUP not in words)
    everywhere.click()
    assert set(in_sight(page)) == shown
    parent = branch(page, unseen.rsplit(" ", 1)[0])
    expect(parent).to_have_attribute("aria-expanded", "false")
    parent.locator(".sw-fan").click()
    expect(branch(page, unseen)).to_be_visible()
    expect(parent).to_have_attribute("aria-expanded", "true")
    parent.press(" ")
    expect(branch(page, unseen)).to_have_count(0)
    expect(parent).to_be_focused()


def test_the_search_is_played_and_scrubbed(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    panel = open_tree(page)
    status, scrub = panel.locator(".sw-tree-status"), page.get_by_role("slider", name=SAY["tree_steps"])
    expect(status).to_contain_text("Word 6 of 6")
    scrub.press("Home")
    expect(status).to_have_text("Word 1 of 6 · 3 kept.")
    assert sorted(in_sight(page)) == sorted(["a", "two", DEAD])
    expect(panel.get_by_role("button", name=SAY["tree_previous"])).to_be_disabled()
    assert "sw-dead" not in (branch(page, DEAD).get_attribute("class") or "")
    panel.get_by_role("button", name=SAY["tree_next"]).click()
    expect(status).to_contain_text("Word 2 of 6 · 3 kept · 3 pruned. Nearest miss: “")
    expect(status).to_contain_text(f", {pruned_margin(1):.2f} below the worst one kept.")
    assert "sw-dead" in (branch(page, DEAD).get_attribute("class") or "")
    panel.get_by_label(SAY["speed"]).select_option("3")
    panel.get_by_role("button", name=SAY["play"], exact=True).click()
    expect(panel.get_by_role("button", name=SAY["pause"])).to_be_visible()
    expect(status).to_contain_text("Word 6 of 6")
    expect(panel.get_by_role("button", name=SAY["play"], exact=True)).to_be_visible()


def test_pointing_at_a_branch_shows_its_map_and_leaving_goes_back(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    before = stage_map(page)
    label = page.locator(".sw-glimpse-label")
    expect(label).to_be_hidden()
    branch(page, "two dogs run").locator(".sw-branch-box").hover()
    expect(label).to_contain_text("before “run”, after “two dogs”")
    assert card(page) == "two dogs run"
    assert stage_map(page) != before
    assert (page.locator(".sw-map").get_attribute("aria-label") or "").startswith("run: ")
    page.locator("h1").hover()
    expect(label).to_be_hidden()
    assert stage_map(page) == before
    click_branch(page, f"a {PRUNED}")
    page.locator("h1").hover()
    expect(label).to_contain_text(f"before “{PRUNED}”, after “a”")
    assert f"Pruned at word 2: {pruned_margin(1):.2f} below" in page.locator(".sw-card-fate").inner_text()
    page.get_by_role("button", name=SAY["glimpse_close"]).click()
    assert stage_map(page) == before
    click_branch(page, "two dogs run")
    chips(page).nth(0).click()
    expect(label).to_be_hidden()
    assert card(page) == "a"


def test_a_branch_has_its_own_map_not_the_words(desktop: Visit) -> None:
    """Siblings were chosen from one glimpse: a pruned word's map is the one its kept sibling has in the caption."""
    page, _ = desktop
    give(page)
    open_tree(page)
    chips(page).nth(1).click()
    red = stage_map(page)
    chips(page).nth(0).click()
    assert stage_map(page) != red
    click_branch(page, f"a {PRUNED}")
    page.wait_for_timeout(300)
    assert stage_map(page) == red


def test_the_tree_is_walked_with_the_keys(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    chips(page).nth(0).click()
    entries = page.locator('.sw-branch[tabindex="0"]')
    expect(entries).to_have_count(1)
    entries.focus()
    seen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowUp", "ArrowLeft", "Home", "ArrowUp"):
        page.keyboard.press(key)
        seen.append(card(page))
    assert seen[0] == "a red"
    assert seen[1] == "a red dog"
    assert seen[2] != "a red dog"
    assert seen[3:6] == ["a red dog", "a red", "a"]
    expect(page.locator(".sw-branch.sw-picked")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".sw-branch.sw-picked")).to_have_count(0)
    expect(entries).to_have_count(1)


def test_the_search_is_told_in_words_too(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    told = page.locator(".sw-tree-words")
    told.locator("summary").click()
    expect(told.locator(".sw-tree-list > li")).to_have_count(6)
    expect(told).to_contain_text(f"a red {PRUNED}: pruned at word 3")
    tree = build_view(ScriptedCaptioner().describe(photo()), photo(), "")["trees"]["widths"]["5"]
    assert told.locator("ul > li").count() == len(tree["fates"])


def test_a_pruned_branch_lives_on_and_undo_brings_everything_back(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    page.get_by_role("slider", name="Beam width").press("ArrowLeft")
    open_tree(page)
    click_branch(page, f"a {PRUNED}")
    page.get_by_role("slider", name=SAY["tree_steps"]).press("ArrowLeft")
    before = [words(page), in_sight(page), card(page), page.locator(".sw-tree-status").inner_text(), stage_map(page)]
    page.get_by_role("button", name=SAY["go_on"]).click()
    banner = page.locator(".sw-given")
    expect(banner).to_contain_text(f"Begins with “a {PRUNED}” – forced")
    expect(banner).to_contain_text("Before: “a red dog”, score −")
    expect(banner).to_be_focused()
    assert words(page) == ["a", PRUNED, "dog"]
    assert page.locator(".sw-given-word .sw-word-text").all_text_contents() == ["a", PRUNED]
    expect(chips(page).nth(1)).to_have_accessible_name(re.compile(rf"{PRUNED} ?, forced, probability"))
    expect(page.locator(".sw-width")).to_have_text("4")
    expect(branch(page, f"a {PRUNED}")).to_have_class("sw-branch sw-fate-given sw-path")
    page.get_by_role("button", name=SAY["undo"]).click()
    expect(banner).to_have_count(0)
    after = [words(page), in_sight(page), card(page), page.locator(".sw-tree-status").inner_text(), stage_map(page)]
    assert after == before
    expect(page.locator(".sw-width")).to_have_text("4")
    expect(page.locator(".sw-branch.sw-picked")).to_have_count(1)


def test_a_likely_word_is_forced_from_the_word_panel_by_keyboard(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    chips(page).nth(1).click()
    rival = page.locator(".sw-side .sw-force", has_text=PRUNED)
    rival.press("Enter")
    expect(page.locator(".sw-given")).to_contain_text(f"“a {PRUNED}”")
    assert words(page)[:2] == ["a", PRUNED]
    chips(page).nth(2).click()
    page.locator(".sw-side .sw-force", has_text=PRUNED).click()
    expect(page.locator(".sw-given")).to_contain_text(f"“a {PRUNED} {PRUNED}”")
    page.get_by_role("button", name=SAY["undo"]).press("Enter")
    expect(page.locator(".sw-given")).to_contain_text(f"“a {PRUNED}” –")
    page.get_by_role("button", name=SAY["undo"]).press("Enter")
    assert words(page) == list(RED_DOG)


def test_a_likely_word_is_forced_from_the_tree(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    click_branch(page, "two dogs")
    page.locator(".sw-card .sw-force", has_text=PRUNED).click()
    expect(page.locator(".sw-given")).to_contain_text(f"“two {PRUNED}”")
    assert words(page)[:2] == ["two", PRUNED]


def test_an_end_is_nothing_to_go_on_from(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    click_branch(page, f"a red dog {SAY['stop']}")
    expect(page.get_by_role("button", name=SAY["go_on"])).to_be_disabled()
    expect(page.locator(".sw-card-go")).to_contain_text(SAY["go_on_end"])


def test_a_refusal_is_a_sentence_by_the_button_and_nothing_is_lost(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    click_branch(page, f"a {PRUNED}")
    refusal = {"kind": "problem", "message": "Not today."}
    page.route("**/component_server**", lambda route: route.fulfill(json=refusal))
    page.get_by_role("button", name=SAY["go_on"]).click()
    expect(page.locator(".sw-card .sw-forcing-problem")).to_have_text("Not today.")
    assert words(page) == list(RED_DOG)
    assert card(page) == f"a {PRUNED}"


def test_while_waiting_the_page_says_so_and_goes_on_working(desktop: Visit) -> None:
    page, watch = desktop
    give(page)
    open_tree(page)
    click_branch(page, f"a {PRUNED}")
    held: list[Route] = []
    page.route("**/component_server**", lambda route: held.append(route))
    page.get_by_role("button", name=SAY["go_on"]).click()
    waiting = page.locator(".sw-card .sw-forcing-now")
    expect(waiting).to_have_text(f"Searching on from “a {PRUNED}” …")
    click_branch(page, "two dogs")
    assert card(page) == "two dogs"
    expect(waiting).to_be_visible()
    held[0].abort()
    expect(page.locator(".sw-card .sw-forcing-problem")).to_have_text(SAY["unreachable"])
    assert words(page) == list(RED_DOG)
    page.unroute("**/component_server**")
    page.get_by_role("button", name=SAY["go_on"]).click()
    expect(page.locator(".sw-given")).to_contain_text("“two dogs”")
    watch.errors.clear()  # the browser reports the request that was cut


def test_a_newer_question_replaces_an_older_one(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    click_branch(page, f"a {PRUNED}")
    held: list[Route] = []
    page.route("**/component_server**", lambda route: held.append(route))
    page.get_by_role("button", name=SAY["go_on"]).click()
    click_branch(page, "two dogs")
    page.get_by_role("button", name=SAY["go_on"]).click()
    expect(page.locator(".sw-card .sw-forcing-now")).to_contain_text("“two dogs”")
    for _ in range(500):  # until both have come here
        if len(held) >= 2:
            break
        page.wait_for_timeout(20)
    for route in held[::-1]:
        route.continue_()
    expect(page.locator(".sw-given")).to_contain_text("“two dogs”")
    page.wait_for_timeout(500)
    assert words(page)[:2] == ["two", "dogs"]


@pytest.fixture
def saved(browser: Browser) -> Iterator[Page]:
    """The viewer on a page of its own, without a server."""
    captioner = cast(Captioner, ScriptedCaptioner())
    view = build_view(captioner.describe(photo()), photo(), "nothing")
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content('<!doctype html><div class="sw-viewer"></div>')
    script = viewer_script() + "\nreturn mountViewer(document.querySelector('.sw-viewer'), texts, null);"
    page.evaluate(
        "([script, texts, view]) => new Function('texts', script)(texts)(JSON.parse(view))",
        [script, {name: dict(texts) for name, texts in text.read_languages().items()}, json.dumps(view)],
    )
    yield page
    page.close()
    assert errors == []


def test_without_a_server_only_going_on_is_missing_and_the_page_says_so(saved: Page) -> None:
    open_tree(saved)
    click_branch(saved, f"a {PRUNED}")
    assert card(saved) == f"a {PRUNED}"
    expect(saved.locator(".sw-glimpse-label")).to_contain_text("after “a”")
    expect(saved.get_by_role("button", name=SAY["go_on"])).to_be_disabled()
    expect(saved.locator(".sw-card-rivals .sw-help")).to_have_text(SAY["force_offline"])
    assert saved.locator("button.sw-force").count() == 0


def test_on_a_phone_the_tree_scrolls_inside_its_frame(phone: Visit) -> None:
    page, _ = phone
    give(page)
    open_tree(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for selector in (".sw-tree-frame", ".sw-card", ".sw-tree-controls", ".sw-tree-key"):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 390


def test_a_real_model_goes_on_from_what_it_gave_up(browser: Browser, tiny_address: str) -> None:
    for page, _ in visit(browser, tiny_address, 1280, 900):
        give(page)
        open_tree(page)
        pruned = page.locator(".sw-branch.sw-fate-pruned").first
        line = (pruned.get_attribute("aria-label") or "").split(". ")[0]
        if SAY["stop"] in line:
            pruned = page.locator(f'.sw-branch.sw-fate-pruned:not([aria-label*="{SAY["stop"]}"])').first
            line = (pruned.get_attribute("aria-label") or "").split(". ")[0]
        pruned.locator(".sw-branch-box").click()
        page.get_by_role("button", name=SAY["go_on"]).click()
        expect(page.locator(".sw-given")).to_contain_text(f"“{line}”")
        assert " ".join(words(page)).startswith(line.replace("'", " '").replace("  ", " "))


def test_another_language_keeps_the_tree_and_its_branch(desktop: Visit) -> None:
    page, _ = desktop
    give(page)
    open_tree(page)
    click_branch(page, f"a {PRUNED}")
    page.locator('[data-sw-language="ko"]').click()
    korean = text.read_languages()["ko"]
    expect(page.locator(".sw-go-on")).to_have_text(korean["go_on"])
    assert card(page) == f"a {PRUNED}"
    expect(page.locator(".sw-glimpse-label")).to_contain_text("탐색 나무: “a” 다음")
