"use strict";
// Classic scripts that share one name: a browser loads no modules from a file:// address, where exports are opened.
globalThis.svit = {};

{
  // Black or white, whichever reads better on a colour (WCAG's relative luminance).
  const inkOn = (colour) => {
    const channels = [1, 3, 5].map((i) => Number.parseInt(colour.slice(i, i + 2), 16) / 255);
    const [r, g, b] = channels.map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.22 ? "#000" : "#fff";
  };

  // Make an element. Text always goes in as text, never as markup: records may hold anything.
  // `given` are attributes, except: `text`, `on` (listeners by event) and `colour` (what stands for a group).
  svit.make = (tag, given = {}, ...children) => {
    const element = document.createElement(tag);
    return svit.fill(element, given, ...children);
  };

  svit.makeSvg = (tag, given = {}, ...children) =>
    svit.fill(document.createElementNS("http://www.w3.org/2000/svg", tag), given, ...children);

  svit.fill = (element, { text, on, colour, ...attributes }, ...children) => {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== undefined && value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    for (const [event, listener] of Object.entries(on ?? {})) element.addEventListener(event, listener);
    if (colour) {
      element.style.setProperty("--c", colour);
      element.style.setProperty("--on", inkOn(colour));
    }
    if (text !== undefined) element.textContent = text;
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };

  svit.byId = (id) => document.getElementById(id);

  svit.number = (value) => value.toLocaleString("en-US");
  svit.plural = (count, one, many = `${one}s`) => `${svit.number(count)} ${count === 1 ? one : many}`;
}
