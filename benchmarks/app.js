// Moves sliders as a hand does, many times, and tells how long the picture took after each release.
const [movements, offset, rest, done] = arguments;
const boxes = [...document.querySelectorAll("#asked > .control")].filter((box) => box.querySelector("input[type=range]") && !box.dataset.key.startsWith("clinic."));
let state = 12345 + offset;
function chance(below) {
  state = (1103515245 * state + 12345) % 2147483648;
  return Math.floor((state / 2147483648) * below);
}
function tell(element, kind) {
  element.dispatchEvent(new Event(kind, { bubbles: true }));
}
function pause(milliseconds) {
  return new Promise((wake) => setTimeout(wake, milliseconds));
}
function shows(key, value, base) {
  const found = new URLSearchParams(document.getElementById("answer").dataset.address).get(key);
  return value === base ? found === null : found === value;
}
async function movement(number) {
  const box = boxes[chance(boxes.length)], slider = box.querySelector("input[type=range]");
  const stops = box.dataset.stops.split(" "), base = stops[Number(box.dataset.at)];
  const from = Number(slider.value), all = stops.length;
  const to = (from + 1 + chance(all - 1)) % all;
  for (const share of [0.3, 0.6, 0.9]) { // the hand moves, the picture follows as it can
    slider.value = Math.round(from + share * (to - from));
    tell(slider, "input");
    await pause(25);
  }
  if (Number(slider.value) === to || shows(box.dataset.key, stops[to], base)) return null;
  const before = performance.now();
  const took = new Promise((found) => {
    const observer = new MutationObserver(() => {
      if (!shows(box.dataset.key, stops[to], base)) return;
      observer.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(() => found(performance.now() - before)));
    });
    observer.observe(document.body, { childList: true, subtree: true });
  });
  slider.value = to;
  tell(slider, "input");
  tell(slider, "change");
  const time = await took;
  while (document.getElementById("answer").getAttribute("aria-busy") === "true") await pause(5);
  return [time, box.dataset.key];
}
(async () => {
  const times = [];
  while (times.length < movements) {
    const time = await movement(times.length);
    await pause(rest);
    if (time) times.push(time);
    if (times.length % 10 === 0 && document.getElementById("reset-all")) {
      document.getElementById("reset-all").click();
      await pause(150);
    }
  }
  return times;
})().then(done, (problem) => done(String(problem)));
