"use strict";

{
  const ROLES = { user: "user", human: "human", gpt: "gpt" };

  svit.colourOf = (group) => svit.start.palette[(group - 1) % svit.start.palette.length];

  const makePhrase = (segment) => {
    if (!segment.group) return svit.make("span", { class: "phrase bare", title: "marked, without a box", text: segment.text });
    const isGuessed = Boolean(segment.is_guessed);
    return svit.make("button", {
      type: "button", class: isGuessed ? "phrase guessed" : "phrase", "data-group": segment.group, colour: svit.colourOf(segment.group),
      title: isGuessed ? "the words before an unmarked box: guessed" : null,
    },
    svit.make("span", { class: "words", text: segment.text }),
    svit.make("sup", { text: isGuessed ? `${segment.group}?` : segment.group, "aria-label": isGuessed ? `box ${segment.group}, guessed` : `box ${segment.group}` }));
  };

  const makeBoxes = (segment, hasPhrase) =>
    svit.make("button", { type: "button", class: "boxes", "data-group": segment.group, colour: svit.colourOf(segment.group) },
      ...(hasPhrase ? [] : [svit.make("sup", { text: segment.group, "aria-label": `box ${segment.group}` })]),
      svit.make("span", { text: segment.text }));

  const makeSegments = (segments) => {
    const phrased = new Set();
    return segments.map((segment) => {
      if (segment.kind === "phrase") {
        phrased.add(segment.group);
        return makePhrase({ group: 0, ...segment });
      }
      return segment.kind === "boxes" ? makeBoxes(segment, phrased.has(segment.group)) : document.createTextNode(segment.text);
    });
  };

  const makeTurn = (turn) => {
    const text = svit.make("div", { class: "text" }, ...makeSegments(turn.segments));
    if (!turn.segments.length) text.append(svit.make("span", { class: "faint", text: "(empty)" }));
    if (turn.characters_left_out) {
      text.append(svit.make("p", { class: "told", text: `${svit.plural(turn.characters_left_out, "more character")} not shown; the file has them.` }));
    }
    const kind = turn.role === "gpt" ? "answer" : turn.role in ROLES ? "question" : "odd";
    return svit.make("div", { class: `turn ${kind}` }, svit.make("span", { class: "role", text: turn.role }), text);
  };

  const makeOnly = (number, view) =>
    svit.make("button", {
      type: "button", class: "only", "aria-pressed": String(view.conversation === number), "data-only": number,
      title: "Draw the boxes of this conversation alone", text: "only these boxes",
    });

  const makeConversations = (record, view) => {
    const several = record.conversations.length > 1;
    const grounded = new Set(record.groups.flatMap((group) => group.conversations));
    return record.conversations.map((conversation, number) => {
      const heading = several || conversation.topic !== null
        ? svit.make("h3", {}, svit.make("span", { class: "ordinal", text: number + 1 }),
          svit.make("span", { class: "topic", text: conversation.topic ?? "" }),
          several && grounded.has(number) ? makeOnly(number, view) : null)
        : null;
      return svit.make("section", { class: "conversation" }, heading, ...conversation.turns.map(makeTurn));
    });
  };

  const asSentence = (text) => `${text[0]?.toUpperCase() ?? ""}${text.slice(1)}${/[.?!]$/.test(text) ? "" : "."}`;

  const makeFinding = (finding) =>
    svit.make("li", { class: `finding ${finding.severity}` },
      svit.make("span", { class: "code", text: `${finding.severity}: ${finding.code}` }),
      finding.path ? svit.make("code", { text: finding.path }) : null,
      svit.make("p", {}, "Found ", svit.make("span", { class: "found", text: finding.found }), `; expected ${finding.expected}. ${asSentence(finding.mend)}`));

  const OPEN_FINDINGS = 8;

  // The first findings, which are the worst, open; more of them below a fold.
  const makeFindings = ({ findings, findings_left_out: leftOut }) => {
    if (!findings.length) return null;
    const makeList = (some) => svit.make("ul", {}, ...some.map(makeFinding));
    const [first, rest] = [findings.slice(0, OPEN_FINDINGS), findings.slice(OPEN_FINDINGS)];
    const more = rest.length ? svit.make("details", { class: "more" }, svit.make("summary", { text: `${svit.number(rest.length)} more` }), makeList(rest)) : null;
    const told = leftOut ? svit.make("p", { class: "told", text: `${svit.plural(leftOut, "more finding")} not shown; validate tells them.` }) : null;
    return svit.make("details", { class: "findings", open: true },
      svit.make("summary", { text: svit.plural(findings.length + leftOut, "finding") }), makeList(first), more, told);
  };

  const makeLegend = (record, view) => {
    const groups = record.groups.filter((group) => view.conversation === null || group.conversations.includes(view.conversation));
    if (!groups.length || !record.frames) return null;
    const chips = groups.map((group) => svit.make("li", {},
      svit.make("button", { type: "button", class: "chip", "data-group": group.number, colour: svit.colourOf(group.number) },
        svit.make("b", { text: group.number }),
        svit.make("span", { text: (group.phrase || "no phrase") + (group.is_guessed && group.phrase ? " (guessed)" : "") }),
        group.boxes.length > 1 ? svit.make("i", { text: `×${group.boxes.length}`, title: `${group.boxes.length} boxes` }) : null)));
    return svit.make("ul", { class: "legend", "aria-label": "Boxes" }, ...chips);
  };

  const makeToggle = (name, isOn, text, title) =>
    svit.make("button", { type: "button", "data-act": name, "aria-pressed": String(isOn), text, title });

  const makeTools = (record, view) => {
    if (!record.frames) return null;
    const { written, is_assumed: isAssumed } = record.frames;
    const nameOf = (frame) => (frame !== written ? frame : isAssumed ? `taken to be ${frame}` : `${frame} (as written)`);
    const titleOf = (frame) => (frame === written && isAssumed ? "Nothing tells the frame of these boxes: to-llava did not make this record" : "Other frame (f)");
    const frames = ["original", "padded"].map((frame) => makeToggle(frame, view.frame === frame, nameOf(frame), titleOf(frame)));
    return svit.make("div", { class: "tools" },
      svit.make("span", { class: "segmented", role: "group", "aria-label": "Frame" }, ...frames),
      record.groups.length ? makeToggle("boxes", view.hasBoxes, "boxes", "Boxes on or off (b)") : null);
  };

  const makeCaption = (record) => {
    const { photo, frames } = record;
    const parts = [photo.name, frames ? `${frames.size_wh[0]} × ${frames.size_wh[1]} px` : ""];
    if (frames) parts.push(`padded to ${frames.side_px} × ${frames.side_px}`);
    return svit.make("p", { class: "caption", text: parts.filter(Boolean).join(" · "), title: photo.place });
  };

  const makeHead = (record) => {
    const where = record.place ? `${record.file}:${record.place}` : record.file;
    const facts = [record.task === "none" ? "" : record.task, `${record.layout} layout`, where].filter(Boolean).join(" · ");
    return svit.make("header", { class: "head" },
      svit.make("div", {},
        svit.make("h2", {}, record.id || "(no id)", " ", svit.make("a", { href: `#${record.number}`, class: "anchor", title: "Link to this record", text: `#${record.number}` })),
        svit.make("p", { class: "facts", text: facts })),
      svit.make("div", { class: "walk" },
        svit.make("button", { type: "button", "data-act": "list", class: "to-list", text: "List" }),
        svit.make("button", { type: "button", "data-act": "previous", title: "Previous record (k)", text: "‹ Previous" }),
        svit.make("button", { type: "button", "data-act": "next", title: "Next record (j)", text: "Next ›" })));
  };

  const makeRaw = (record) => {
    const isWhole = record.raw_bytes <= 300000;
    const told = isWhole ? "JSON" : `JSON, its beginning: ${svit.number(record.raw_bytes)} bytes in all`;
    return svit.make("details", { class: "raw", open: !record.is_readable && record.raw !== "" },
      svit.make("summary", { text: told }), svit.make("pre", { tabindex: 0, text: record.raw || "(nothing)" }));
  };

  // Everything about one record, as elements.
  svit.makeRecord = (record, view, remark) => {
    const text = svit.make("div", { class: "words-pane" },
      makeFindings(record), ...makeConversations(record, view),
      record.turns_left_out ? svit.make("p", { class: "told", text: `${svit.plural(record.turns_left_out, "more turn")} not shown; the file has them.` }) : null,
      record.is_readable && !record.conversations.length ? svit.make("p", { class: "told", text: "Its turns are not of the layout's shape; see its JSON." }) : null,
      makeRaw(record));
    const parts = record.is_readable
      ? [svit.make("div", { class: "photo-pane" }, makeTools(record, view), svit.makePhoto(record, view), makeCaption(record), makeLegend(record, view)), text]
      : [text];
    const told = record.is_readable ? remark : "This record could not be read.";
    return [makeHead(record), told ? svit.make("p", { class: "told remark", text: told }) : null,
      svit.make("div", { class: record.is_readable ? "both" : "both single" }, ...parts)].filter(Boolean);
  };
}
