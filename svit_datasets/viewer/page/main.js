"use strict";

{
  const TYPING_MS = 180;
  const state = { filter: svit.noFilter(), page: 0, frame: "original", hasBoxes: true, conversation: null, number: null, held: 0 };
  let listing = { total: 0, page: 0, pages: 1, first: 1, lines: [] };
  let record = null;
  let listAsked = 0;
  let wanted = null;
  let isFetching = false;
  let steps = 0;
  let isMoving = false;
  const pane = svit.byId("record-pane");

  const keep = () => svit.writeAddress(state);

  const light = (group) => svit.light(pane, group);
  const hold = (group) => {
    state.held = group;
    svit.hold(pane, group);
  };

  const drawRecord = () => {
    const isListed = listing.lines.some((line) => line.number === record.number);
    const remark = !isListed && svit.hasFilter(state.filter) ? "This record is not among those filtered." : "";
    const focused = document.activeElement?.dataset?.act ?? document.activeElement?.dataset?.only;
    pane.replaceChildren(...svit.makeRecord(record, state, remark));
    hold(state.held);
    if (focused) pane.querySelector(`[data-act="${focused}"], [data-only="${focused}"]`)?.focus({ preventScroll: true });
    document.title = `${record.id || `#${record.number}`} · svit view`;
  };

  const showError = (error) => {
    record = null;
    pane.replaceChildren(svit.make("p", { class: "told bad", text: `${error.message || error}` }));
  };

  const draw = (found) => {
    const isOther = record?.number !== found.number;
    record = found;
    if (isOther) Object.assign(state, { conversation: null, held: 0 });
    drawRecord();
    if (isOther) pane.scrollTop = 0;
  };

  // Fetch and show a record. While one is on its way, only the last one asked for follows: a key held down skips some.
  const showRecord = async (number) => {
    state.number = wanted = number;
    svit.markCurrent(number);
    if (isFetching) return;
    isFetching = true;
    while (wanted !== null) {
      const asked = wanted;
      wanted = null;
      try {
        const found = await svit.source.record(asked);
        if (wanted === null) draw(found);
      } catch (error) {
        if (wanted === null) showError(error);
      }
    }
    isFetching = false;
  };

  const loadList = async ({ page = 0, around = null } = {}) => {
    const asked = ++listAsked;
    document.body.setAttribute("aria-busy", "true");
    try {
      const found = await svit.source.list(state.filter, page, around);
      if (asked !== listAsked) return false;
      listing = found;
      state.page = found.page;
      svit.showList(listing, state.filter, state.number);
      return true;
    } catch (error) {
      if (asked === listAsked) svit.byId("count").textContent = `No answer: ${error.message}. Is svit-convert view still running?`;
      return false;
    } finally {
      if (asked === listAsked) document.body.removeAttribute("aria-busy");
    }
  };

  const choose = (line) => {
    if (!line) return null;
    state.number = line.number;
    keep();
    return showRecord(line.number);
  };

  // A filter changed: keep the record where it is still among those left, else show the first of them.
  const applyFilters = async () => {
    state.filter = svit.readFilters();
    if (!(await loadList({ around: state.number }))) return;
    const kept = listing.lines.find((line) => line.number === state.number);
    if (!kept && listing.page !== 0) await loadList();
    if (!kept && listing.lines.length) return choose(listing.lines[0]);
    keep();
    if (record) drawRecord();
    svit.markCurrent(state.number);
  };

  const turnPage = async (page) => {
    if (page < 0 || page >= listing.pages || !(await loadList({ page }))) return;
    svit.byId("lines").scrollTop = 0;
    keep();
  };

  const stepOnce = async (step) => {
    const shown = listing.page;
    const place = listing.lines.findIndex((line) => line.number === state.number);
    const next = place < 0 ? (step > 0 ? 0 : listing.lines.length - 1) : place + step;
    const page = shown + (next < 0 ? -1 : next >= listing.lines.length ? 1 : 0);
    if (page < 0 || page >= listing.pages) return;
    if (page !== shown && !(await loadList({ page }))) return;
    choose(page === shown ? listing.lines[next] : listing.lines[step > 0 ? 0 : listing.lines.length - 1]);
  };

  // Steps that come while a page of the list is on its way wait for it.
  const move = async (step) => {
    steps += step;
    if (isMoving) return;
    isMoving = true;
    while (steps !== 0) {
      const one = Math.sign(steps);
      steps -= one;
      await stepOnce(one);
    }
    isMoving = false;
  };

  const change = (changes) => {
    Object.assign(state, changes);
    keep();
    if (record) drawRecord();
  };
  const otherFrame = () => change({ frame: state.frame === "padded" ? "original" : "padded" });
  const setPane = (name) => { document.body.dataset.pane = name; };

  const ACTS = {
    next: () => move(1),
    previous: () => move(-1),
    original: () => change({ frame: "original" }),
    padded: () => change({ frame: "padded" }),
    boxes: () => change({ hasBoxes: !state.hasBoxes }),
    list: () => setPane("list"),
  };

  pane.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.act) return ACTS[button.dataset.act]();
    if (button?.dataset.only !== undefined) {
      const only = Number(button.dataset.only);
      return change({ conversation: state.conversation === only ? null : only, held: 0 });
    }
    const group = svit.groupOf(event.target);
    if (group) hold(state.held === group ? 0 : group);
  });
  for (const event of ["pointerover", "focusin"]) {
    pane.addEventListener(event, ({ target }) => light(svit.groupOf(target) || state.held));
  }
  pane.addEventListener("pointerleave", () => light(state.held));
  pane.addEventListener("focusout", () => light(state.held));

  svit.byId("lines").addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    setPane("record");
    if (link.hash === location.hash) showRecord(Number(link.dataset.number)); // no hashchange comes
  });
  svit.byId("page-first").addEventListener("click", () => turnPage(0));
  svit.byId("page-previous").addEventListener("click", () => turnPage(listing.page - 1));
  svit.byId("page-next").addEventListener("click", () => turnPage(listing.page + 1));
  svit.byId("page-last").addEventListener("click", () => turnPage(listing.pages - 1));
  svit.byId("page-number").addEventListener("change", ({ target }) => {
    const page = Number.parseInt(target.value.replaceAll(/\D/g, ""), 10) - 1;
    if (Number.isNaN(page)) target.value = listing.page + 1;
    else turnPage(Math.min(Math.max(0, page), listing.pages - 1));
  });

  let typing = 0;
  svit.byId("filters").addEventListener("submit", (event) => event.preventDefault());
  svit.byId("filters").addEventListener("input", ({ target }) => {
    clearTimeout(typing);
    typing = setTimeout(applyFilters, target.tagName === "SELECT" ? 0 : TYPING_MS);
  });
  const clearFilters = () => {
    svit.writeFilters(svit.noFilter());
    return applyFilters();
  };
  svit.byId("clear").addEventListener("click", clearFilters);

  const help = svit.byId("help");
  svit.byId("help-open").addEventListener("click", () => help.showModal());
  svit.byId("help-close").addEventListener("click", () => help.close());

  const escape = (target) => {
    if (target.closest("input, select")) return target.blur();
    if (state.held) return hold(0);
    if (svit.hasFilter(state.filter)) return clearFilters();
    return setPane("list");
  };
  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    n: () => turnPage(listing.page + 1),
    p: () => turnPage(listing.page - 1),
    f: otherFrame,
    b: ACTS.boxes,
    "/": () => { svit.byId("filter-text").focus(); svit.byId("filter-text").select(); },
    "?": () => help.showModal(),
  };
  const LIST_KEYS = { ArrowDown: KEYS.j, ArrowUp: KEYS.k, PageDown: KEYS.n, PageUp: KEYS.p };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.key === "Escape") return escape(event.target);
    if (event.target.closest("input, select, textarea")) return;
    const isBox = event.target.classList.contains("edge") && (event.key === "Enter" || event.key === " ");
    const inList = event.target.closest("#list-pane") && LIST_KEYS[event.key];
    const act = isBox ? () => hold(state.held === svit.groupOf(event.target) ? 0 : svit.groupOf(event.target)) : inList || KEYS[event.key];
    if (!act) return;
    event.preventDefault();
    Promise.resolve(act()).then(() => {
      if (inList) document.querySelector('#lines a[aria-current="true"]')?.focus();
    });
  });

  // The record that the address names, else the first one listed.
  const followHash = async () => {
    const asked = svit.readHash();
    try {
      const number = asked === null ? null : asked.number ?? (await svit.source.find(asked.id));
      if (asked !== null && number === null) throw new Error(`There is no record of id ${asked.id}.`);
      if (number !== null && number !== state.number) {
        state.number = number;
        await loadList({ page: state.page, around: number });
      }
      if (number === null) return choose(listing.lines[0]);
      setPane("record");
      state.number = number;
      keep();
      return await showRecord(number);
    } catch (error) {
      return showError(error);
    }
  };

  const readState = () => {
    Object.assign(state, svit.readAddress());
    svit.writeFilters(state.filter);
  };
  addEventListener("hashchange", followHash);
  addEventListener("popstate", async () => {
    const before = JSON.stringify([state.filter, state.page]);
    readState();
    if (JSON.stringify([state.filter, state.page]) !== before) await loadList({ page: state.page });
    if (record) drawRecord();
  });

  const begin = async () => {
    try {
      svit.start = await svit.source.start();
    } catch (error) {
      svit.byId("count").textContent = `No answer: ${error.message}`;
      return;
    }
    svit.fillFilters(svit.start.facts);
    readState();
    if (await loadList({ page: state.page })) await followHash();
    document.body.dataset.ready = "true";
  };
  begin();
}
