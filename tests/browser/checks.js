// What a page must be for everybody; each function returns what is wrong, as texts.
const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
function channels(colour) {
  paint.clearRect(0, 0, 1, 1);
  paint.fillStyle = colour;
  paint.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = paint.getImageData(0, 0, 1, 1).data;
  return { rgb: [red, green, blue], alpha: alpha / 255 };
}
function over(above, below) {
  return above.rgb.map((value, at) => above.alpha * value + (1 - above.alpha) * below[at]);
}
function behind(element) {
  const layers = [];
  for (let at = element; at; at = at.parentElement) {
    const layer = channels(getComputedStyle(at).backgroundColor);
    if (layer.alpha > 0) layers.push(layer);
    if (layer.alpha === 1) break;
  }
  const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18] : [255, 255, 255];
  return layers.reverse().reduce((below, layer) => over(layer, below), canvas);
}
function luminance(rgb) {
  const [red, green, blue] = rgb.map((value) => (value <= 10.31 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
function writes(element) {
  if (element.matches("input:not([type=range]):not([type=hidden]), select")) return true;
  return [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
}
function faint(least) {
  const found = [];
  for (const each of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(each), box = each.getBoundingClientRect();
    if (!writes(each) || !each.checkVisibility({ opacityProperty: true, visibilityProperty: true }) || box.width < 2 || each.matches(":disabled, .hidden")) continue;
    const ground = behind(each), ink = each instanceof SVGElement ? style.fill : style.color;
    const ratio = contrast(over(channels(ink), ground), ground);
    if (ratio < least) found.push(`${ratio.toFixed(2)}: ${each.tagName}.${each.getAttribute("class")} ${ink} on ${ground}: ${each.textContent.trim().slice(0, 40)}`);
  }
  return found;
}
function untidy() {
  const found = [], ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) found.push(`two elements are #${id}`);
  for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "for", "list"])
    for (const each of document.querySelectorAll(`[${name}]`))
      for (const id of each.getAttribute(name).split(" ")) if (!ids.includes(id)) found.push(`${name}="${id}" is nowhere`);
  if (document.documentElement.lang !== "en") found.push("no language");
  if (!document.title) found.push("no title");
  const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter((each) => each.checkVisibility()).map((each) => Number(each.tagName[1]));
  if (levels[0] !== 1 || levels.filter((level) => level === 1).length !== 1) found.push(`headings begin with ${levels[0]}`);
  levels.forEach((level, at) => { if (at && level > levels[at - 1] + 1) found.push(`heading ${level} after ${levels[at - 1]}`); });
  for (const each of ["main", "header", "footer", "aside"]) if (document.querySelectorAll(`body > ${each}, body > div > ${each}`).length !== 1) found.push(`not one ${each}`);
  for (const each of document.querySelectorAll("table")) if (!each.caption || !each.querySelector("th[scope]")) found.push("a table without caption or heads");
  return found;
}
function wide() {
  const root = document.documentElement;
  return root.scrollWidth > root.clientWidth ? [`${root.scrollWidth} pixels on ${root.clientWidth}`] : [];
}
function unseen() {
  const each = document.activeElement, style = getComputedStyle(each);
  const rings = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  return each === document.body || rings ? [] : [`${each.tagName}#${each.id}`];
}
