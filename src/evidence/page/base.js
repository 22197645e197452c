"use strict";
(() => {
  // The page is complete without this: it filters what is there, and opens what is folded when it is printed.
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const form = document.getElementById("tools");
  const open = (details, isOpen) => { if (details.open !== isOpen) details.open = isOpen; };

  const reveal = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (!target) return;
    for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") open(up, true);
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  let before = null;
  const print = (isPrint) => {
    if (isPrint && !before) {
      before = all("details").map((details) => [details, details.open]);
      before.forEach(([details]) => open(details, true));
    } else if (!isPrint && before) {
      before.forEach(([details, isOpen]) => open(details, isOpen));
      before = null;
    }
  };
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));

  if (!form) return;
  form.hidden = false;
  const field = (id) => document.getElementById(id);
  const search = field("q"), told = field("told");
  let items = null, folded = 0, opened = [];

  // What is read of the page once, at the first filter.
  const read = () => {
    if (items) return;
    const zoneOf = (element) => element.closest("[data-zone]")?.dataset.zone ?? "";
    items = all("[data-item]").map((element) => {
      const holders = [];
      for (let up = element.parentElement; up; up = up.parentElement) {
        if (up.matches("[data-holder],[data-fold],[data-zone]")) holders.push(up);
      }
      const said = holders.filter((up) => up.matches("[data-holder]")).map((up) => up.firstElementChild.textContent);
      const text = (element.textContent + " " + said.join(" ")).toLowerCase();
      const { item, state, severity } = element.dataset;
      return { element, item, state, severity, holders, text, zone: zoneOf(element) };
    });
    folded = all("[data-folded]").reduce((sum, one) => sum + Number(one.dataset.folded), 0);
  };

  const apply = () => {
    const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const [zone, state, severity] = ["f-zone", "f-state", "f-severity"].map((id) => field(id)?.value ?? "");
    const isActive = Boolean(words.length || zone || state || severity);
    read();
    opened.forEach((details) => open(details, false));
    opened = [];
    const kept = new Set(), counts = {};
    for (const one of items) {
      const fits = !isActive || (
        (!zone || one.zone === zone) && (!state || one.state === state) &&
        (!severity || one.severity === severity) && words.every((word) => one.text.includes(word)));
      one.element.classList.toggle("off", !fits);
      if (fits) one.holders.forEach((holder) => kept.add(holder));
      const count = counts[one.item] ??= { shown: 0, total: 0 };
      count.total += 1;
      count.shown += fits ? 1 : 0;
    }
    for (const holder of all("[data-holder],[data-fold],[data-zone]:not([data-item])")) {
      const isZone = holder.dataset.zone !== undefined;
      const fits = !isActive || kept.has(holder) || (isZone && holder.tagName === "TR" && (!zone || holder.dataset.zone === zone));
      holder.classList.toggle("off", !fits);
      if (isActive && fits && holder.tagName === "DETAILS" && !holder.open) {
        open(holder, true);
        opened.push(holder);
      }
    }
    const parts = ["finding", "requirement", "way", "image", "edge"].filter((item) => counts[item])
      .map((item) => `${counts[item].shown} of ${counts[item].total} ${item}s`);
    const rest = folded ? ` ${folded} more are counted and not listed, so not searched.` : "";
    told.textContent = isActive ? `Shown: ${parts.join(", ")}.${rest}` : "";
  };

  let timer = 0;
  const soon = () => { clearTimeout(timer); timer = setTimeout(apply, 60); };
  form.addEventListener("input", soon);
  form.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
  form.addEventListener("reset", soon);
  addEventListener("keydown", (event) => {
    const isTyping = event.target.matches?.("input,select,textarea");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && event.target === search) {
      form.reset();
    }
  });
})();
