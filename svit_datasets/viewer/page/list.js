"use strict";

{
  const makeBadges = (badges) =>
    badges.length
      ? svit.make("span", { class: "badges" }, ...badges.map((badge) => svit.make("span", { class: `badge ${badge.severity}`, title: badge.severity, text: badge.code })))
      : null;

  const makeLine = (line, current) =>
    svit.make("li", {},
      svit.make("a", { href: `#${line.number}`, "data-number": line.number, "aria-current": line.number === current ? "true" : null },
        svit.make("span", { class: "line-head" },
          svit.make("b", { text: line.id || "(no id)" }),
          svit.make("span", { class: "line-task", text: line.task === "none" ? "" : line.task.replaceAll("_", " ") }),
          svit.make("span", { class: "line-number", text: `#${line.number}` })),
        svit.make("span", { class: "opening", text: line.opening }),
        makeBadges(line.badges)));

  const countOf = (listing, filter) => {
    const { total } = svit.start.facts;
    if (!svit.hasFilter(filter)) return `${svit.plural(total, "record")}`;
    return `${svit.number(listing.total)} of ${svit.plural(total, "record")}`;
  };

  // Show a page of records.
  svit.showList = (listing, filter, current) => {
    const range = listing.total ? ` · ${svit.number(listing.first)}–${svit.number(listing.first + listing.lines.length - 1)}` : "";
    svit.byId("count").textContent = countOf(listing, filter) + (listing.total > listing.lines.length ? range : "");
    const lines = svit.byId("lines");
    lines.replaceChildren(...listing.lines.map((line) => makeLine(line, current)));
    if (!listing.lines.length) lines.append(svit.make("li", { class: "nothing", text: "No record matches these filters." }));
    svit.byId("page-number").value = listing.page + 1;
    svit.byId("pages").textContent = `of ${svit.number(listing.pages)}`;
    const [isFirst, isLast] = [listing.page === 0, listing.page === listing.pages - 1];
    svit.byId("page-first").disabled = svit.byId("page-previous").disabled = isFirst;
    svit.byId("page-last").disabled = svit.byId("page-next").disabled = isLast;
  };

  // Mark the record that is shown, and bring it into view.
  svit.markCurrent = (number) => {
    for (const link of document.querySelectorAll("#lines a")) {
      if (Number(link.dataset.number) === number) {
        link.setAttribute("aria-current", "true");
        link.scrollIntoView({ block: "nearest" });
      } else {
        link.removeAttribute("aria-current");
      }
    }
  };

  const makeChoices = (select, all, choices) => {
    const options = [["", all], ...choices].map(([value, text]) => svit.make("option", { value, text }));
    select.replaceChildren(...options);
  };

  // Fill the filters' choices from what the inputs hold.
  svit.fillFilters = ({ total, faulty, tasks, codes, files }) => {
    const count = (n) => `(${svit.number(n)})`;
    makeChoices(svit.byId("filter-task"), "all", tasks.map(({ name, count: n }) => [name, `${name === "none" ? "not told" : name.replaceAll("_", " ")} ${count(n)}`]));
    makeChoices(svit.byId("filter-code"), "all", [
      ["any", `any finding ${count(faulty)}`], ["none", `no finding ${count(total - faulty)}`],
      ...codes.map(({ name, count: n }) => [name, `${name} ${count(n)}`])]);
    svit.byId("inputs").textContent = files.length === 1 ? files[0].name : svit.plural(files.length, "file");
    svit.byId("inputs").title = files.slice(0, 40).map(({ name, count: n }) => `${name} ${count(n)}`).join("\n");
  };

  const FIELDS = { task: "filter-task", text: "filter-text", image_id: "filter-id", code: "filter-code" };

  svit.readFilters = () => Object.fromEntries(Object.entries(FIELDS).map(([name, id]) => [name, svit.byId(id).value.trim()]));

  svit.writeFilters = (filter) => {
    for (const [name, id] of Object.entries(FIELDS)) {
      const field = svit.byId(id);
      if (field.value.trim() === filter[name]) continue;
      if (field.tagName === "SELECT" && filter[name] && ![...field.options].some((o) => o.value === filter[name])) {
        field.append(svit.make("option", { value: filter[name], text: `${filter[name]} (0)` })); // a link may name what is not here
      }
      field.value = filter[name];
    }
  };
}
