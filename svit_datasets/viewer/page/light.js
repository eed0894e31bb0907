"use strict";

{
  const markAll = (pane, name, group) => {
    for (const element of pane.querySelectorAll("[data-group]")) element.classList.toggle(name, Number(element.dataset.group) === group);
  };

  // The group that an element stands for; 0 for none.
  svit.groupOf = (target) => Number(target.closest?.("[data-group]")?.dataset.group ?? 0);

  // Light a group wherever it stands: its phrases, boxes, numbers. 0 lights none.
  svit.light = (pane, group) => {
    pane.classList.toggle("is-lit", group > 0);
    markAll(pane, "lit", group);
  };

  // Keep a group lit while nothing else is pointed at.
  svit.hold = (pane, group) => {
    for (const element of pane.querySelectorAll("button[data-group], .edge")) {
      element.setAttribute("aria-pressed", String(svit.groupOf(element) === group));
    }
    svit.light(pane, group);
  };
}
