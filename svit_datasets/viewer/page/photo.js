"use strict";

{
  const percent = (fraction) => `${fraction * 100}%`;
  const LEAST = 0.0005; // an empty box is drawn as a line; SVG draws no empty rectangle
  const TAG_GAP = 2;

  const ordered = ([x1, y1, x2, y2]) => {
    const [left, right] = x1 <= x2 ? [x1, x2] : [x2, x1];
    const [top, bottom] = y1 <= y2 ? [y1, y2] : [y2, y1];
    return { left, top, width: Math.max(LEAST, right - left), height: Math.max(LEAST, bottom - top) };
  };

  // Every box of the record in the frame that is shown, larger ones first, so that smaller ones can be pointed at.
  const boxesIn = (record, frame, conversation) =>
    record.groups
      .filter((group) => conversation === null || group.conversations.includes(conversation))
      .flatMap((group) => group.boxes.map((box) => ({ group, box: box[frame] })))
      .filter(({ box }) => box !== null)
      .map(({ group, box }) => ({ group, ...ordered(box) }))
      .sort((a, b) => b.width * b.height - a.width * a.height);

  const nameOf = (group) => `${group.number}${group.phrase ? ` ${group.phrase}` : ""}${group.is_guessed && group.phrase ? " (guessed)" : ""}`;

  const drawBox = ({ group, left, top, width, height }) => {
    const place = { x: percent(left), y: percent(top), width: percent(width), height: percent(height) };
    return svit.makeSvg("g", { class: "box", "data-group": group.number, colour: svit.colourOf(group.number) },
      svit.makeSvg("rect", { class: "halo", ...place }),
      svit.makeSvg("rect", { class: "edge", ...place, tabindex: 0, role: "button", "aria-label": `Box ${nameOf(group)}` }));
  };

  const makeTag = ({ group }) =>
    svit.make("span", { class: "tag", "data-group": group.number, colour: svit.colourOf(group.number), "aria-hidden": "true" },
      svit.make("b", { text: group.number }),
      svit.make("span", { text: group.phrase }));

  const overlap = (a, b) => a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;

  // Put each number at a corner of its box where no other number lies.
  const placeTags = (canvas, boxes, tags) => {
    const { clientWidth: w, clientHeight: h } = canvas;
    if (!w || tags.length > 300) return;
    const taken = [];
    const sizes = tags.map((tag) => [tag.firstChild.offsetWidth, tag.firstChild.offsetHeight]);
    boxes.forEach((box, i) => {
      const [width, height] = sizes[i];
      const [x1, y1, x2, y2] = [box.left * w, box.top * h, (box.left + box.width) * w, (box.top + box.height) * h];
      const inside = [[x1, y1], [x2 - width, y1], [x1, y2 - height], [x2 - width, y2 - height]];
      const outside = [[x1, y1 - height], [x1, y2], [x2 + TAG_GAP, y1], [x1 - width - TAG_GAP, y1], [x2 - width, y1 - height], [x2 - width, y2]];
      const isSmall = x2 - x1 < 2.2 * width || y2 - y1 < 2.2 * height; // a number would hide what is in the box
      const corners = isSmall ? [...outside, ...inside] : [...inside, ...outside];
      const places = corners.map(([left, top]) => ({
        left: Math.min(Math.max(0, left), w - width), top: Math.min(Math.max(0, top), h - height), width, height }));
      const place = places.find((one) => !taken.some((other) => overlap(one, other))) ?? places[0];
      taken.push(place);
      tags[i].style.left = `${place.left}px`;
      tags[i].style.top = `${place.top}px`;
    });
  };

  const makeImage = (photo, frames, frame, tell) => {
    const image = svit.make("img", { src: photo.address, alt: `Photo ${photo.name}`, draggable: "false" });
    const [w, h] = frames.size_wh;
    const [x, y] = frames.offset_xy_px;
    const side = frames.side_px;
    const isPadded = frame === "padded";
    image.style.left = percent(isPadded ? x / side : 0);
    image.style.top = percent(isPadded ? y / side : 0);
    image.style.width = percent(isPadded ? w / side : 1);
    image.style.height = percent(isPadded ? h / side : 1);
    image.addEventListener("error", () => tell("The browser cannot show this photo."));
    return image;
  };

  const makeNote = (photo) => {
    if (!photo.message) return null;
    const isBad = photo.state !== "there" && photo.state !== "none";
    return svit.make("p", { class: isBad ? "told bad" : "told", text: photo.message });
  };

  // The photo with its boxes. `view` has: frame, hasBoxes, conversation (null for all).
  svit.makePhoto = (record, view) => {
    const { photo, frames } = record;
    const figure = svit.make("figure", { class: "photo" });
    const note = makeNote(photo);
    if (!frames) {
      figure.append(svit.make("div", { class: "no-photo", text: photo.state === "none" ? "no image" : "no photo" }), ...(note ? [note] : []));
      return figure;
    }
    const [width, height] = view.frame === "padded" ? [frames.side_px, frames.side_px] : frames.size_wh;
    const canvas = svit.make("div", { class: "canvas", id: "canvas", "data-frame": view.frame });
    canvas.style.aspectRatio = `${width} / ${height}`;
    canvas.style.setProperty("--ratio", width / height);
    const isThere = photo.state === "there";
    if (view.frame === "padded") canvas.style.background = `rgb(${svit.start.pad_rgb.join(" ")})`;
    if (isThere) {
      const tell = (text) => figure.append(svit.make("p", { class: "told bad", text }));
      canvas.append(makeImage(photo, frames, view.frame, tell));
    } else {
      canvas.classList.add("empty");
      canvas.append(svit.make("span", { class: "empty-word", text: "no photo" }));
    }
    const boxes = view.hasBoxes ? boxesIn(record, view.frame, view.conversation) : [];
    const tags = boxes.map(makeTag);
    canvas.append(svit.makeSvg("svg", { class: "overlay", role: "group", "aria-label": svit.plural(boxes.length, "box", "boxes") }, ...boxes.map(drawBox)), ...tags);
    figure.append(canvas, ...(note ? [note] : []));
    new ResizeObserver(() => placeTags(canvas, boxes, tags)).observe(canvas);
    return figure;
  };
}
