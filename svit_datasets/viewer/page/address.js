"use strict";

{
  const FILTERS = ["task", "text", "image_id", "code"];

  // What the address asks for: filters, page (from 1) and frame in its query; the record behind #.
  svit.readAddress = () => {
    const query = new URLSearchParams(location.search);
    const filter = Object.fromEntries(FILTERS.map((name) => [name, (query.get(name) ?? "").trim()]));
    const page = Math.max(1, Number.parseInt(query.get("page") ?? "1", 10) || 1) - 1;
    return { filter, page, frame: query.get("frame") === "padded" ? "padded" : "original" };
  };

  // The record behind #: {number}, {id}, or null. Digits alone are a record's number; #id=... is an id.
  svit.readHash = () => {
    let asked = location.hash.slice(1);
    try {
      asked = decodeURIComponent(asked);
    } catch {
      // not encoded; taken as it is
    }
    if (!asked) return null;
    if (/^[1-9]\d{0,14}$/.test(asked)) return { number: Number(asked) };
    return { id: asked.replace(/^id=/, "") };
  };

  // Keep the state in the address without a new step in the history.
  svit.writeAddress = ({ filter, page, frame, number }) => {
    const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
    if (page > 0) query.set("page", page + 1);
    if (frame === "padded") query.set("frame", frame);
    const asked = query.size ? `?${query}` : "";
    history.replaceState(null, "", `${location.pathname}${asked}${number ? `#${number}` : ""}`);
  };

  svit.hasFilter = (filter) => FILTERS.some((name) => filter[name]);
  svit.noFilter = () => Object.fromEntries(FILTERS.map((name) => [name, ""]));
}
