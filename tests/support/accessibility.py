"""What a page must be for everyone: contrast, sizes of targets, and nothing that jumps."""

import time
from functools import partial

from playwright.sync_api import Page, Route

from support.waiting import expect_value, wait_until

MIN_OUTLINE = 2  # pixels

# WCAG 2.2, 1.4.3 and 1.4.11: text 4.5 (large text 3), edges of controls 3, against what lies behind them.
CONTRAST = """() => {
  const channels = color => color.match(/[\\d.]+/g).map(Number);
  const luminance = color => channels(color).slice(0, 3).map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
  const ratio = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((channels(color)[3] ?? 1) > 0) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const faults = [];
  for (const element of document.body.querySelectorAll("*")) {
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element), name = element.id || element.className || element.tagName;
    const size = parseFloat(style.fontSize), isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const isText = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    const textRatio = ratio(style.color, behind(element));
    if (isText && textRatio < (isLarge ? 3 : 4.5)) faults.push(`text of ${name}: ${textRatio.toFixed(2)}`);
    if (!element.matches("button, .button, canvas, input[type=password]")) continue;
    const edge = ratio(style.borderTopColor, behind(element.parentElement.closest(":not(#sheet)")));
    if (edge < 3) faults.push(`edge of ${name}: ${edge.toFixed(2)}`);
  }
  return faults;
}"""
SMALL_TARGETS = """() => [...document.querySelectorAll("button, a, .button, input[type=password]")]
  .filter(element => element.checkVisibility())
  .map(element => [element.textContent || element.id, element.getBoundingClientRect()])
  .filter(([, box]) => box.width < 44 || box.height < 44).map(([name]) => name)"""
# Of everything but what comes and goes by itself: the words of an answer, its bars, the prompt on empty paper.
BOXES = """() => Object.fromEntries([...document.body.querySelectorAll("*")]
  .map((element, at) => [`${at} ${element.tagName} ${element.id}`, element])
  .filter(([, element]) => element.checkVisibility() && !element.matches("#line *, .bar, #prompt"))
  .map(([name, element]) => [name, element.getBoundingClientRect().toJSON()]))"""
# Core Web Vitals' cumulative layout shift, of what moved by itself.
LAYOUT_SHIFT = """() => new Promise(resolve => {
  let sum = 0;
  const add = entry => { if (!entry.hadRecentInput) sum += entry.value; };
  new PerformanceObserver(list => list.getEntries().forEach(add)).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(sum), 50);
})"""
OUTLINE = """() => {
  const element = document.activeElement.closest(".button") ?? document.activeElement;
  const style = getComputedStyle(element);
  return style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth);
}"""


def faults(page: Page) -> list[str]:
    """Return what is wrong with a page, in words: contrast, small targets, and text that leaves the window."""
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    found = [f"{overflow} pixels wider than the window"] if overflow > 0 else []
    return [*page.evaluate(CONTRAST), *(f"small: {name}" for name in page.evaluate(SMALL_TARGETS)), *found]


def boxes(page: Page) -> dict[str, dict[str, float]]:
    """Return where everything of a page is."""
    return dict(page.evaluate(BOXES))


def delay_answers(page: Page, address: str) -> None:
    """Have the service answer this address only after the page was painted."""

    def answer(route: Route) -> None:
        time.sleep(0.1)
        route.continue_()

    page.route(f"**/{address}", answer)


def layout_shift(page: Page) -> float:
    """Return how much has jumped since the page was opened, without what a person moved; 0 is nothing."""
    return float(page.evaluate(LAYOUT_SHIFT))


def press_tab(page: Page, *names: str) -> None:
    """Press Tab once for each of these ids ("": none); expect that the element gets the focus, and a clear outline."""
    for name in names:
        page.keyboard.press("Tab")
        expect_value(partial(page.evaluate, "document.activeElement.id"), name)
        wait_until(lambda: page.evaluate(OUTLINE) >= MIN_OUTLINE)
