"use strict";
// Classic scripts that share one name: a browser loads no modules from a file:// address, where exports are opened.
globalThis.svit = {};

{
  // Make an element. Text always goes in as text, never as markup: records may hold anything.
  // `given` are attributes, except: `text`, `on` (listeners by event) and `colour` (a custom property).
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
    if (colour) element.style.setProperty("--c", colour);
    if (text !== undefined) element.textContent = text;
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  };

  svit.byId = (id) => document.getElementById(id);

  svit.number = (value) => value.toLocaleString("en-US");
  svit.plural = (count, one, many = `${one}s`) => `${svit.number(count)} ${count === 1 ? one : many}`;
}
