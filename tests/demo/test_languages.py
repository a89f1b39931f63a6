"""Every language says everything, and a visitor reads the page in the language chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

import demo
from builders import photo, photo_bytes
from demo import text
from demo.examples import list_examples
from visits import GRADIO_WARNINGS, RED_DOG, TWO_DOGS, visit

DEMO = Path(demo.__file__).parent
LANGUAGES = text.read_languages()
KOREAN = LANGUAGES["ko"]
HELD = re.compile(r"\{(\w+)\}")
CALL = re.compile(r"(?<![\w.])(?:\w+\.)?t\(")
NOT_ON_THE_PAGE = {"LANGUAGES_FOLDER", "FIRST_LANGUAGE", "TITLE", "API_DESCRIPTION", "PROBE_DESCRIPTION"}


def sentences_of(language: str) -> dict[str, str]:
    return dict(LANGUAGES[language].get("sentences", {}))


def scripts() -> str:
    """Every script without its comments, and the templates of the page."""
    files = [*sorted((DEMO / "static").glob("*.js")), *sorted(DEMO.glob("*.py"))]
    return "\n".join(re.sub(r"(?m)(^|\s)//.*$", "", file.read_text(encoding="utf-8")) for file in files)


def first_argument(code: str, start: int) -> str:
    """What stands from `start` to the comma or bracket that ends it."""
    depth, quote = 0, ""
    for place in range(start, len(code)):
        sign = code[place]
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'`":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}" or sign == ",":
            if depth == 0:
                return code[start:place]
            depth -= sign != ","
    raise AssertionError(f"no end of {code[start : start + 80]}")


def asked(code: str) -> tuple[set[str], set[str]]:
    """The keys that scripts ask for by name, and the patterns of those they put together, as `style_${name}`."""
    arguments = [first_argument(code, found.end()) for found in CALL.finditer(code)]
    names = set(re.findall(r"\btexts\.(\w+)(?![\w(])", code))
    names |= set(re.findall(r"\bwords\.((?:empty|problem|waiting)\w*)", code))  # viewer.js; elsewhere words are words
    names |= set(re.findall(r"data-sw-(?:text|title|alt|label)=\\?\"(\w+)\"", code))
    names |= set(re.findall(r'\bVIEWER\["(\w+)"\]', code))
    patterns: set[str] = set()
    for argument in arguments:
        names |= set(re.findall(r'(?<!== )"(\w+)"', argument))
        patterns |= set(re.findall(r"`([^`]+)`", argument))
    return names - {"sentences"}, patterns


def matching(pattern: str, keys: set[str]) -> set[str]:
    """The keys a pattern may stand for; one that would stand for nearly anything is refused."""
    parts = re.split(r"\$\{[^}]*\}", pattern)
    assert len("".join(parts)) > 3, f"{pattern} could be any key"
    return {key for key in keys if re.fullmatch(r"\w+".join(map(re.escape, parts)), key)}


def test_every_language_has_the_same_keys_and_the_same_places_for_values() -> None:
    english = LANGUAGES["en"]
    assert next(iter(LANGUAGES)) == "en"
    assert len(LANGUAGES) >= 2
    for code, texts in LANGUAGES.items():
        assert set(texts) - {"sentences"} == set(english), code
        for key in english:
            assert sorted(HELD.findall(texts[key])) == sorted(HELD.findall(english[key])), (code, key)
            assert texts[key].count("|") == english[key].count("|"), (code, key)
            assert texts[key].strip() == texts[key] != "", (code, key)


def test_korean_is_korean() -> None:
    foreign = {"title", "speed_value"}
    for key, said in {**KOREAN, **sentences_of("ko")}.items():
        if isinstance(said, str) and key not in foreign and said != LANGUAGES["en"].get(key):
            assert re.search(r"[가-힣]", said), key
    same = {
        key for key in LANGUAGES["en"] if KOREAN[key] == LANGUAGES["en"][key] and re.search(r"[a-z]{3}", KOREAN[key])
    }
    assert {key for key in same if HELD.sub("", KOREAN[key]).strip(" ·:,") not in ("", text.TITLE)} == set()


# What a Korean particle is depends on the sound before it, which is not known where a word or a number is put in.
PARTICLES = "은|는|이|가|을|를|와|과|아|야|랑|이랑|나|이나|로|으로|라|이라|란|이란|든|이든|며|이며|예요|이에요|였|이었"
EITHER = re.compile(r"[가-힣]*\((?:[가-힣]{1,2})\)[가-힣]*")
AFTER_VALUE = re.compile(rf"\}}[”’\"')\]%]*(?:{PARTICLES})(?=[\s.,?!]|\w|$)")


def particles_of(said: str) -> list[str]:
    """Particles that cannot be right after every value."""
    either = [
        found
        for found in EITHER.findall(said)
        if re.search(rf"(?:{PARTICLES}|으|이)\(|\((?:{PARTICLES}|으|이)\)", found)
    ]
    return [*either, *AFTER_VALUE.findall(said)]


def test_no_korean_particle_depends_on_what_is_put_in() -> None:
    for key, said in {**KOREAN, **sentences_of("ko")}.items():
        if isinstance(said, str):
            assert particles_of(said) == [], key


def test_the_check_of_particles_can_fail() -> None:
    bad = [
        "{model}이(가) 캡션을",
        "“{word}”을(를) 찾는다면",
        "{x}(으)로 배우는",
        "{word}은(는) 모르는",
        "“{word}”를 보는",
        "{a}와 {b}",
        "{share}가 여기에",
        "{x}예요",
        "고양이(가) 있어요",
    ]
    assert [said for said in bad if not particles_of(said)] == []
    good = [
        "{count}개가 있어요",
        "“{word}”의 지도",
        "{total}칸이면",
        "{words}에서 이어서",
        "{width}부터",
        "{names} 가운데",
        "나란히 (GIF)",
        "어텐션 ({share})",
    ]
    assert [said for said in good if particles_of(said)] == []


def test_a_key_is_in_a_file_once() -> None:
    for code in LANGUAGES:
        pairs: list[str] = []
        content = (text.LANGUAGES_FOLDER / f"{code}.json").read_text(encoding="utf-8")

        def keep(found: list[tuple[str, object]], pairs: list[str] = pairs) -> dict[str, object]:
            pairs.extend(key for key, _ in found)
            return dict(found)

        json.loads(content, object_pairs_hook=keep)
        assert sorted(pairs) == sorted(set(pairs)), code


def test_every_text_asked_for_exists_and_none_is_left_over() -> None:
    code = scripts()
    keys = set(LANGUAGES["en"])
    names, patterns = asked(code)
    assert names - keys == set()
    spoken = {f"example_{example.path.stem}" for example in list_examples()}
    spoken |= set(re.findall(r'"(\w+)"', code)) & keys  # also those handed on, as in fact("gate", ...)
    for pattern in patterns:
        assert matching(pattern, keys), pattern
        spoken |= matching(pattern, keys)
    assert keys - spoken - names - {"language", "title"} == set()


def test_the_check_of_keys_can_fail() -> None:
    names, patterns = asked(
        'desk.t("one", { a: x.t("two") }); t(big ? "three" : "four"); desk.t(`panel_${name}`); texts.six;'
    )
    assert names == {"one", "two", "three", "four", "six"}
    assert patterns == {"panel_${name}"}
    assert matching("panel_${name}", {"panel_words", "panels_label", "words"}) == {"panel_words"}
    with pytest.raises(AssertionError):
        matching("${name}", {"words"})


def test_every_sentence_of_the_server_is_translated() -> None:
    constants = {name: said for name, said in vars(text).items() if name.isupper() and isinstance(said, str)}
    for code in set(LANGUAGES) - {"en"}:
        sentences = sentences_of(code)
        for name in set(constants) - NOT_ON_THE_PAGE:
            assert constants[name] in sentences, (code, name)
        assert text.beam_width_range("{largest}") in sentences  # type: ignore[arg-type]
        for pattern, said in sentences.items():
            assert set(HELD.findall(said)) <= set(HELD.findall(pattern)), pattern


@pytest.fixture
def korean(browser: Browser, scripted_address: str) -> Iterator[Page]:
    """A browser that asks for Korean."""
    for page, _ in visit(browser, scripted_address, 1280, 900, locale="ko-KR"):
        yield page


@pytest.fixture
def english(browser: Browser, scripted_address: str) -> Iterator[Page]:
    for page, _ in visit(browser, scripted_address, 1280, 900, locale="en-GB"):
        yield page


def give(page: Page, content: bytes | None = None, name: str = "photo.png") -> None:
    file: FilePayload = {"name": name, "mimeType": "image/png", "buffer": photo_bytes() if content is None else content}
    page.locator("#sw-photo-input input[type=file]").first.set_input_files(file)
    page.locator(".sw-viewer:not(:has(.sw-note)) .sw-caption, .sw-problem").first.wait_for()


def choose(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def spoken(page: Page) -> str:
    """All that the page says, labels included, a line each."""
    found: str = page.evaluate(
        """() => {
            const parts = [...document.querySelectorAll("#sw-columns, .sw-masthead, .sw-privacy")];
            const nodes = parts.flatMap((part) => [part, ...part.querySelectorAll("*")]);
            const names = ["aria-label", "title", "alt", "placeholder", "aria-valuetext"];
            const labels = nodes.flatMap((node) => names.map((name) => node.getAttribute(name) || ""));
            const texts = nodes.filter((node) => !node.closest("script, style")).flatMap((node) => [...node.childNodes])
              .filter((node) => node.nodeType === 3).map((node) => node.nodeValue);
            return [...labels, ...texts].map((said) => said.trim()).join("\\n");
        }"""
    )
    return found


def english_left(page: Page) -> set[str]:
    """English texts of the viewer that a page in another language still shows."""
    lines = set(spoken(page).split("\n"))
    own = {part for key, said in LANGUAGES["en"].items() for part in said.split("|") if said != KOREAN[key]}
    return lines & own - {*RED_DOG, *TWO_DOGS, "English"}


WORDS = sorted({*RED_DOG, *TWO_DOGS} - {"a", "in"})
UNMARKED = """words => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const some = new RegExp(`(^|[^a-z])(${words.join("|")})([^a-z]|$)`, "i");
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        const said = walker.currentNode.nodeValue;
        if (!node.closest(".sw-viewer") || node.closest("script, style, option") || !some.test(said)) continue;
        const own = node.closest("[lang]");
        if (!own || own.getAttribute("lang") !== "en" || /[가-힣]/.test(said)) found.push(`${node.className}: ${said}`);
    }
    return found;
}"""


@pytest.mark.browser
class TestVisit:
    pytestmark = GRADIO_WARNINGS

    def test_a_korean_browser_reads_korean_at_once(self, korean: Page) -> None:
        expect(korean.locator(".sw-masthead p")).to_have_text(KOREAN["tagline"])
        expect(korean.locator(".sw-privacy")).to_have_text(KOREAN["privacy"])
        assert korean.evaluate("document.documentElement.lang") == "ko"
        give(korean)
        expect(korean.locator(".sw-viewer")).to_have_attribute("lang", "ko")
        for panel in korean.locator(".sw-tab").all():
            panel.click()
            assert english_left(korean) == set()
        assert not re.search(r"(?m)^[a-z]+(_[a-z]+)+$", spoken(korean))  # a key in its text's place

    def test_the_photo_box_and_the_examples_speak_it_too(self, korean: Page) -> None:
        box = korean.locator("#sw-photo-input")
        expect(box.get_by_test_id("block-label")).to_have_text(KOREAN["photo_label"])
        expect(box.get_by_test_id("upload-text")).to_have_text(re.sub(r"\|", " ", KOREAN["photo_placeholder"]))
        expect(korean.get_by_role("button", name=KOREAN["photo_placeholder"].replace("|", " "))).to_be_visible()
        expect(korean.get_by_role("button", name=KOREAN["example_cat"])).to_have_attribute(
            "title", KOREAN["example_cat"]
        )
        give(korean)
        korean.get_by_label(KOREAN["photo_remove"]).click()
        korean.locator(".sw-empty").wait_for()
        expect(box.get_by_test_id("upload-text")).to_contain_text(KOREAN["photo_placeholder"].split("|")[0])
        choose(korean, "English")
        expect(box.get_by_test_id("upload-text")).to_contain_text(text.VIEWER["photo_placeholder"].split("|")[0])
        expect(korean.get_by_role("button", name="Cat", exact=True)).to_be_visible()

    def test_switching_keeps_what_was_on_show_and_is_remembered(self, english: Page) -> None:
        give(english)
        english.get_by_role("slider", name="Beam width").focus()
        english.keyboard.press("ArrowLeft")
        expect(english.locator(".sw-width")).to_have_text("4")
        english.locator(".sw-alternative").nth(1).click()
        english.locator(".sw-caption .sw-word").nth(3).click()
        english.get_by_role("button", name="Raw cells").click()
        choose(english, "한국어")
        assert english.locator(".sw-caption .sw-word-text").all_text_contents() == list(TWO_DOGS)
        expect(english.locator(".sw-word-name")).to_have_text(TWO_DOGS[3])
        expect(english.locator(".sw-width")).to_have_text("4")
        expect(english.get_by_role("slider", name=KOREAN["beam"])).to_have_attribute("aria-valuetext", "4")
        expect(english.get_by_role("button", name=KOREAN["style_cells"])).to_have_attribute("aria-pressed", "true")
        expect(english.get_by_role("button", name="한국어")).to_have_attribute("aria-pressed", "true")
        assert english.evaluate("document.documentElement.lang") == "ko"
        english.reload()
        expect(english.locator(".sw-masthead p")).to_have_text(KOREAN["tagline"])
        choose(english, "English")
        expect(english.locator(".sw-masthead p")).to_have_text(text.VIEWER["tagline"])
        assert english.evaluate("document.documentElement.lang") == "en"

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("broken.png", photo_bytes()[:60], "사진 'broken.png' 파일이 망가졌거나"),
            ("it's empty.png", b"", '사진 "it\'s empty.png" 파일이 비어 있어요'),
            ("small.png", photo_bytes(photo(5, 9)), "한 변이 적어도 8 픽셀은"),
            ("text.png", b"hello there", "파일을 알아볼 수 없어요"),
            ("fault.png", photo_bytes(photo(13, 13)), KOREAN["sentences"][text.UNEXPECTED]),
        ],
    )
    def test_a_refusal_reads_in_korean(self, korean: Page, name: str, content: bytes, said: str) -> None:
        give(korean, content, name)
        expect(korean.locator(".sw-problem")).to_contain_text(KOREAN["problem_title"])
        expect(korean.locator(".sw-problem")).to_contain_text(said)
        choose(korean, "English")
        expect(korean.locator(".sw-problem")).to_contain_text(text.VIEWER["problem_title"])

    def test_words_of_a_caption_are_marked_as_english(self, korean: Page) -> None:
        expect(korean.locator(".sw-privacy")).to_have_text(KOREAN["privacy"])
        assert korean.evaluate("document.documentElement.lang") == "ko"
        give(korean)
        expect(korean.locator(".sw-caption-language")).to_have_text(KOREAN["caption_language"])
        korean.locator(".sw-alternative").nth(1).click()
        for panel in korean.locator(".sw-tab").all():
            panel.click()
            assert korean.evaluate(UNMARKED, WORDS) == [], panel.inner_text()
        korean.locator("#sw-tab-box").click()
        for step in korean.locator(".sw-step").all():
            step.click()
            assert korean.evaluate(UNMARKED, WORDS) == [], step.inner_text()
        korean.locator("#sw-tab-tree").click()
        korean.locator(".sw-tree-words summary").click()
        korean.locator(".sw-branch").nth(2).click()
        assert korean.evaluate(UNMARKED, WORDS) == []
        choose(korean, KOREAN["region_start"])
        expect(korean.locator(".sw-ask-most")).to_be_visible()
        assert korean.evaluate(UNMARKED, WORDS) == []
        choose(korean, KOREAN["guess"])
        assert korean.evaluate(UNMARKED, WORDS) == []
        choose(korean, KOREAN["guess_show"])
        choose(korean, KOREAN["projector"])
        expect(korean.locator(".sw-now-word, .sw-guess-question").first).to_have_count(1)
        assert korean.evaluate(UNMARKED, WORDS) == []

    def test_a_word_is_named_in_two_languages(self, korean: Page) -> None:
        give(korean)
        word = korean.locator(".sw-caption .sw-word").nth(2)
        expect(word).to_have_accessible_name(re.compile(r"^dog ?, 확률 \d+ %$"))
        assert word.get_attribute("aria-label") is None
        rival = korean.locator("button.sw-force").first
        expect(rival).to_have_accessible_name(re.compile(r"^\w+ ?, [\d.]+ % ?: 이 단어로 정하고 이어서 찾기$"))
        assert rival.get_attribute("aria-label") is None

    def test_an_english_page_does_not_say_that_captions_are_english(self, english: Page) -> None:
        give(english)
        expect(english.locator(".sw-caption-language")).to_have_count(0)
        assert english.evaluate(UNMARKED, WORDS) == []
