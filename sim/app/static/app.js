// The address is the only state: inputs make it, the answer to it is fetched and put in place.
"use strict";
(() => {
  const REST = 600, SETTLE = 120, AGAIN = 400;
  const form = document.getElementById("asked"), report = document.getElementById("report");
  const controls = new Map([...form.querySelectorAll(".control")].map((box) => [box.dataset.key, control(box)]));
  let extras = others(location.search);
  let wish = null, busy = false, asking = "", shown = "", slow = null, seen = location.search.slice(1), rest = 0, settle = 0, again = 0;
  document.documentElement.classList.add("scripted");

  function control(box) {
    const slider = box.querySelector("input[type=range]");
    const field = box.querySelector("select, input[type=text]");
    const stops = box.dataset.stops.split(" ");
    const base = stops[Number(box.dataset.at)];
    const unit = box.querySelector(".unit")?.textContent ?? "";
    let now = stops[slider ? Number(slider.value) : Number(box.dataset.at)];
    return {
      box, field, stops, slider, base,
      get value() { return now; },
      get typed() { return field.value === brief(now) ? now : field.value.trim() || base; },
      // What is typed stays as typed: the slider goes to the nearest of its stops.
      put(text, from) {
        now = text;
        if (from !== field) field.value = field.tagName === "SELECT" ? text : brief(text);
        if (slider && from !== slider) slider.value = nearest(stops, text);
        slider?.setAttribute("aria-valuetext", `${text} ${unit}`.trim());
        field.removeAttribute("aria-invalid");
        box.classList.toggle("moved", !same(text, base));
      },
    };
  }
  // Four digits are shown, all are kept: what nobody types over stays exactly what it was.
  function brief(text) {
    const short = text !== "" && Number.isFinite(Number(text)) ? String(Number(Number(text).toPrecision(4))) : text;
    return text.length > 7 ? short : text;
  }
  function same(one, other) {
    return one === other || (one !== "" && other !== "" && Number(one) === Number(other));
  }
  function nearest(stops, text) {
    const exact = stops.indexOf(text);
    if (exact >= 0 || Number.isNaN(Number(text))) return Math.max(exact, 0);
    const away = stops.map((stop) => (Number.isNaN(Number(stop)) ? Infinity : Math.abs(Number(stop) - Number(text))));
    return away.indexOf(Math.min(...away));
  }

  // What of an address no control holds: the trial, decimals, a whole distribution.
  function others(search) {
    return [...new URLSearchParams(search)].filter(([name]) => name !== "of" && !controls.has(name));
  }
  function address() {
    const isHeld = ([key, each]) => same(each.value, each.base) || extras.some(([name]) => key.startsWith(`${name}.`));
    const moved = [...controls].filter((each) => !isHeld(each)).map(([key, each]) => [key, each.value]);
    moved.sort(([one], [other]) => (one < other ? -1 : 1));
    return new URLSearchParams([["of", form.elements.of.value], ...moved, ...extras]).toString();
  }
  function go(search) {
    history.pushState(null, "", `/?${search}`);
    ask(search, true);
  }
  // Links of an answer are of what it answers: the hand may have moved on.
  function follow(link) {
    const key = link.dataset.key, each = controls.get(key);
    if (link.id === "another" || link.id === "decimals") extras = others(new URL(link.href).search);
    else if (each) each.put(each.base);
    else if (key) extras = extras.filter(([name]) => name !== key);
    else {
      for (const one of controls.values()) one.put(one.base);
      extras = others(new URL(link.href).search);
    }
    go(address());
  }
  addEventListener("popstate", () => {
    const values = new URLSearchParams(location.search), what = location.search.slice(1);
    if (what === seen) return;
    if ((values.get("of") ?? form.elements.of.value) !== form.elements.of.value) return location.reload();
    extras = others(location.search);
    for (const [key, each] of controls) each.put(values.get(key) ?? each.base);
    ask(what, true);
  });

  function ask(what, still) {
    if (!still && !wish && what === (busy ? asking : seen)) return; // let go where the hand has been already
    wish = { what, still };
    clearTimeout(again);
    clearTimeout(rest);
    slow?.abort();
    send();
  }
  // One request at a time; when it is back the last wish is asked, those between never are.
  async function send() {
    if (busy || !wish) return;
    const { what, still } = wish;
    wish = null;
    busy = true;
    asking = what;
    document.getElementById("answer").setAttribute("aria-busy", "true");
    try {
      const reply = await fetch(`/answer?${what}${still ? "" : "&rough=yes"}`);
      const text = await reply.text();
      if (reply.ok) show(what, text, still);
      else refuse(text);
    } catch {
      say("No answer: has lupus-hsct app been stopped?");
    }
    document.getElementById("answer").setAttribute("aria-busy", "false");
    busy = false;
    send();
  }
  function show(what, text, still) {
    if (text !== shown) swap(text);
    shown = text;
    seen = what;
    clearTimeout(settle); // browsers stop a page that changes its address at every movement
    settle = setTimeout(() => history.replaceState(null, "", `/?${what}`), still ? 0 : SETTLE);
    document.getElementById("toml").href = `/scenario.toml?${what}`;
    told();
    if (!wish) follows(what);
    document.dispatchEvent(new CustomEvent("answered", { detail: what }));
  }
  // What sharpens is asked for again; what takes long, once the hand rests, and given up when it moves.
  function follows(what) {
    if (document.getElementById("answer").dataset.unfinished) again = setTimeout(() => ask(what, true), AGAIN);
    else rest = setTimeout(() => posterior(what), REST);
  }
  async function posterior(what) {
    const mine = (slow = new AbortController());
    try {
      const reply = await fetch(`/posterior?${what}`, { signal: mine.signal });
      const text = await reply.text();
      if (!reply.ok || mine.signal.aborted) return;
      swap(text);
      shown = "";
      told();
      document.dispatchEvent(new CustomEvent("followed", { detail: what }));
    } catch {
      // the hand has moved: nobody waits for it
    }
  }
  function swap(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const focused = document.activeElement?.id;
    const open = [...document.querySelectorAll("#answer details[open]")].map((each) => each.id);
    for (const part of ["changed", "answer"]) {
      const now = fresh.getElementById(part);
      if (now) document.getElementById(part).replaceWith(document.adoptNode(now));
    }
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focused && document.activeElement === document.body) {
      (document.getElementById(focused) ?? document.getElementById("changed")).focus({ preventScroll: true });
    }
  }
  function told() {
    const place = document.querySelector("#answer .address");
    if (place) place.textContent = location.origin + place.dataset.path;
    document.title = `What if? ${document.querySelector(".asked").textContent}`;
    say(document.getElementById("finding")?.textContent ?? "");
  }
  function refuse(text) {
    const message = new DOMParser().parseFromString(text, "text/html").getElementById("refused")?.textContent ?? text;
    document.querySelector("#answer .refused")?.remove();
    shown = seen = "";
    const place = document.createElement("p");
    place.className = "caution refused";
    place.setAttribute("role", "alert");
    place.textContent = message;
    document.getElementById("answer").prepend(place);
    for (const [key, each] of controls) if (message.includes(key)) each.field.setAttribute("aria-invalid", "true");
  }
  function say(text) {
    const summary = document.getElementById("summary");
    if (summary.textContent !== text) summary.textContent = text;
  }

  form.addEventListener("input", (event) => moved(event, false));
  form.addEventListener("change", (event) => moved(event, true));
  form.addEventListener("submit", (event) => event.preventDefault());
  function moved(event, still) {
    const box = event.target.closest(".control"), each = box && controls.get(box.dataset.key);
    if (!each) return;
    if (event.target === each.slider) each.put(each.stops[Number(each.slider.value)], each.slider);
    else if (!still && each.field.tagName === "INPUT") return; // half a number is none
    else each.put(each.typed);
    extras = extras.filter(([name]) => !box.dataset.key.startsWith(`${name}.`));
    ask(address(), false); // rough figures differ by less than is shown; fine ones follow when the hand rests
  }
  document.addEventListener("click", (event) => {
    const target = event.target.closest("button, a");
    if (!target || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    if (target.id === "print") print();
    if (target.id === "copy") navigator.clipboard.writeText(location.href).then(() => say("The address is copied."), () => say("The browser did not allow it; copy the address by hand."));
    if (target.classList.contains("reset") || ["reset-all", "decimals", "another"].includes(target.id)) {
      event.preventDefault();
      follow(target);
    }
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=range]), select, textarea");
    if (event.key !== "n" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    document.getElementById("another")?.click();
  });

  const search = document.getElementById("search");
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const boxes = [...form.querySelectorAll(".control")];
    for (const box of boxes) box.hidden = !words.every((word) => box.dataset.words.includes(word));
    for (const stage of document.querySelectorAll(".stage")) {
      const here = stage.querySelector(".control:not([hidden])") !== null;
      stage.hidden = words.length > 0 && !here;
      stage.open = words.length > 0 && here;
    }
    const count = boxes.filter((box) => !box.hidden).length;
    document.getElementById("matches").textContent = words.length ? `${count} found` : "";
  });

  report.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = report.querySelector("button"), progress = document.getElementById("progress");
    button.disabled = true;
    progress.textContent = "Begun.";
    try {
      const begun = await fetch(`/report?${address()}`, { method: "POST", headers: { "X-Token": report.dataset.token } });
      if (!begun.ok) throw new Error(await begun.text());
      await finished((await begun.json()).at, progress);
    } catch (problem) {
      progress.textContent = problem.message;
    }
    button.disabled = false;
  });
  async function finished(at, progress) {
    for (;;) {
      const told = await (await fetch(at)).json();
      progress.textContent = told.message || `${told.what}: ${told.done} of ${told.all}`;
      if (told.page) {
        const link = document.createElement("a");
        link.href = told.page;
        link.textContent = "Open the report";
        progress.replaceChildren(link, ` (${told.folder}). ${told.notes.join(" ")}`);
      }
      if (told.state !== "working") return;
      await new Promise((wake) => setTimeout(wake, 1000));
    }
  }

  for (const each of controls.values()) each.put(each.field.value);
  told();
  follows(address());
})();
