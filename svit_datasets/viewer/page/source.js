"use strict";

{
  const PAGE_SIZE = 50; // of an export; the server has its own

  const fetchJson = async (path, query = {}) => {
    const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value !== null));
    const answer = await fetch(asked.size ? `${path}?${asked}` : path);
    const value = await answer.json();
    if (!answer.ok) throw new Error(value.error ?? `the server answered ${answer.status}`);
    return value;
  };

  // Records from the server that this page came from.
  const server = {
    start: () => fetchJson("api/facts"),
    list: (filter, page, around) => fetchJson("api/records", { ...filter, page, around }),
    record: (number) => fetchJson(`api/records/${number}`),
    find: async (id) => (await fetchJson("api/find", { id })).number,
  };

  // Text as it is searched, without case: as `fold` of filters.py has it.
  svit.fold = (text) => text.toUpperCase().toLowerCase().replaceAll("\u03c2", "\u03c3");

  const wordsOf = (record) => {
    const turns = record.conversations.flatMap((c) => c.turns.map((t) => t.segments.map((s) => s.text).join("")));
    const topics = record.conversations.map((c) => c.topic).filter((topic) => topic !== null);
    return svit.fold([...turns, ...topics].join("\n"));
  };

  // Records from data.js, which stands beside the page in an export.
  const exported = ({ records, start }) => {
    const words = new Map();
    const hasText = (one, text) => {
      if (!words.has(one)) words.set(one, wordsOf(one.record));
      return words.get(one).includes(svit.fold(text));
    };
    const hasId = ({ record }, id) => [record.image_id, record.id, record.image].includes(id);
    const hasCode = (one, code) =>
      code === "any" ? one.line.badges.length > 0
        : code === "none" ? one.line.badges.length === 0
          : one.line.badges.some((badge) => badge.code === code);
    const matches = (one, { task, text, image_id: id, code }) =>
      (!task || one.line.task === task) && (!id || hasId(one, id)) && (!code || hasCode(one, code)) && (!text || hasText(one, text));

    const list = async (filter, page, around) => {
      const left = records.filter((one) => matches(one, filter)).map((one) => one.line);
      const pages = Math.max(1, Math.ceil(left.length / PAGE_SIZE));
      const place = left.findIndex((line) => line.number === around);
      const shown = place >= 0 ? Math.floor(place / PAGE_SIZE) : Math.min(Math.max(0, page), pages - 1);
      const first = shown * PAGE_SIZE;
      return { total: left.length, page: shown, pages, first: first + 1, lines: left.slice(first, first + PAGE_SIZE) };
    };
    const record = async (number) => {
      const found = records.find((one) => one.record.number === number);
      if (!found) throw new Error(`record ${number} is not in this copy`);
      return found.record;
    };
    const find = async (id) => (id && records.find((one) => hasId(one, id))?.record.number) || null;
    return { start: async () => start, list, record, find };
  };

  svit.source = globalThis.svitExport ? exported(globalThis.svitExport) : server;
}
