// Canvases: their size, their colours, and what is drawn on them from what the server sent.

export function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = "12px Roboto, system-ui, sans-serif";
  context.lineJoin = "round";
  return [context, width, height];
}

export function colours() {
  const style = getComputedStyle(document.body);
  const found = {};
  for (const name of ["ink", "muted", "line", "panel", "bad", "trace", "skin", "light", "shade", "edge", "g-rest"])
    found[name] = style.getPropertyValue(`--${name}`).trim();
  found.gestures = Array.from({ length: 8 }, (_, index) => style.getPropertyValue(`--g${index}`).trim());
  return found;
}

export const spoken = (name) => name.replaceAll("_", " ");

// Eight colours are as many as can be told apart: the next eight gestures are round, and names are written as well.
const colourOf = (name, gestures, palette) =>
  gestures.includes(name) ? palette.gestures[gestures.indexOf(name) % 8] : palette["g-rest"];

// The last seconds of all channels, as a ring of columns.
export class Emg {
  constructor(channels, columns) {
    Object.assign(this, { channels, columns, head: 0, peak: 0 });
    this.ring = new Float32Array(channels * columns);
  }

  push(values) {
    for (let at = 0; at < values.length; at += this.channels) {
      this.ring.set(values.subarray(at, at + this.channels), this.head * this.channels);
      this.head = (this.head + 1) % this.columns;
    }
  }

  // One scale for all channels, of a round number, so that they can be compared; it changes seldom.
  scale() {
    const sizes = this.ring.map(Math.abs).filter(Number.isFinite).sort(); // a channel may send no numbers
    const wanted = 1.2 * sizes[Math.floor(0.995 * sizes.length)] || 1;
    if (wanted > this.peak || wanted < 0.3 * this.peak) {
      const ten = 10 ** Math.floor(Math.log10(wanted));
      this.peak = ten * [1, 2, 5, 10].find((step) => step * ten >= wanted);
    }
    return this.peak;
  }

  draw(context, width, height, palette, quality, seconds) {
    const [left, bottom] = [64, 18];
    const row = (height - bottom) / this.channels;
    const step = (width - left) / this.columns;
    context.clearRect(0, 0, width, height);
    context.strokeStyle = palette.line;
    context.fillStyle = palette.muted;
    context.lineWidth = 1;
    context.textAlign = "center";
    context.beginPath();
    for (let second = 0; second <= seconds; second++) {
      const x = width - (second / seconds) * (width - left);
      context.moveTo(x, 0);
      context.lineTo(x, height - bottom);
      if (second) context.fillText(`−${second} s`, Math.max(x, left + 12), height - 4);
    }
    context.stroke();
    context.textAlign = "right";
    context.fillText("now", width, height - 4);
    context.textAlign = "left";
    for (let channel = 0; channel < this.channels; channel++) {
      const middle = (channel + 0.5) * row;
      const mark = quality[channel];
      const bad = mark && mark !== "offset"; // which is taken out
      context.fillStyle = bad ? palette.bad : palette.muted;
      context.fillText(`${channel + 1} ${bad ? "▲ " : ""}${mark}`, 0, middle + 4);
      context.strokeStyle = bad ? palette.bad : palette.trace;
      this.trace(context, channel, left, step, middle, row / 2 / this.peak, row * 0.75);
    }
  }

  trace(context, channel, left, step, middle, gain, most) {
    context.beginPath();
    for (let column = 0; column < this.columns; column++) {
      const value = this.ring[((this.head + column) % this.columns) * this.channels + channel] * gain;
      context.lineTo(left + column * step, middle - Math.max(-most, Math.min(most, value)));
    }
    context.stroke();
  }
}

// The gallery in a plane, drawn once a size and a theme, and the live point with its trail.
export class Plane {
  constructor({ gestures, name, places }) {
    Object.assign(this, { gestures, name, places });
    const range = (axis) => places.reduce(([low, high], place) => [Math.min(low, place[axis]), Math.max(high, place[axis])], [Infinity, -Infinity]);
    this.range = [range(0), range(1)];
  }

  at([x, y], width, height) {
    const scaled = (value, [low, high]) => (high > low ? (value - low) / (high - low) : 0.5);
    return [14 + scaled(x, this.range[0]) * (width - 28), height - 14 - scaled(y, this.range[1]) * (height - 28)];
  }

  draw(context, width, height, palette, trail, waits) {
    const key = `${width} ${height} ${window.devicePixelRatio} ${palette.ink}`;
    if (this.key !== key) this.paint(width, height, palette, key);
    context.clearRect(0, 0, width, height);
    context.drawImage(this.picture, 0, 0, width, height);
    context.fillStyle = palette.muted;
    context.textAlign = "left";
    if (!this.places.length && !waits) context.fillText("too few gestures for a map", 14, 20);
    trail.forEach((place, index) => {
      const [x, y] = this.at(place, width, height);
      const last = index === trail.length - 1;
      context.beginPath();
      context.arc(x, y, last ? 7 : 2.5, 0, 7);
      context.globalAlpha = last ? 1 : (0.7 * (index + 1)) / trail.length;
      context.fillStyle = context.strokeStyle = palette.ink;
      context.lineWidth = 3;
      if (last) context.stroke();
      else context.fill();
    });
    context.globalAlpha = 1;
  }

  paint(width, height, palette, key) {
    this.key = key;
    this.picture = document.createElement("canvas");
    const ratio = window.devicePixelRatio || 1;
    [this.picture.width, this.picture.height] = [width * ratio, height * ratio];
    const context = this.picture.getContext("2d");
    context.scale(ratio, ratio);
    context.globalAlpha = this.places.length > 2000 ? 0.5 : 0.8;
    this.places.forEach((place, index) => {
      const [x, y] = this.at(place, width, height);
      context.fillStyle = colourOf(this.name[index], this.gestures, palette);
      if (this.gestures.indexOf(this.name[index]) < 8) context.fillRect(x - 1.5, y - 1.5, 3, 3);
      else disc(context, x, y);
    });
    context.globalAlpha = 1;
    this.write(context, width, height, palette);
  }

  // Names at the median of their entries, each moved down past those that are there already.
  write(context, width, height, palette) {
    context.font = "500 12px Roboto, system-ui, sans-serif";
    context.textAlign = "center";
    const taken = [];
    new Set(this.name).forEach((name) => {
      const mine = this.places.filter((_, index) => this.name[index] === name);
      const median = (axis) => mine.map((place) => place[axis]).sort((a, b) => a - b)[mine.length >> 1];
      const wide = context.measureText(spoken(name)).width / 2 + 3;
      let [x, y] = this.at([median(0), median(1)], width, height);
      x = Math.max(wide, Math.min(width - wide, x));
      while (taken.some((box) => Math.abs(box.x - x) < box.wide + wide && Math.abs(box.y - y) < 14)) y += 3;
      y = y > height - 4 ? height - 4 : Math.max(12, y);
      taken.push({ x, y, wide });
      context.lineWidth = 4;
      context.strokeStyle = palette.panel;
      context.strokeText(spoken(name), x, y);
      context.fillStyle = palette.ink;
      context.fillText(spoken(name), x, y);
    });
  }
}

function disc(context, x, y) {
  context.beginPath();
  context.arc(x, y, 2.5, 0, 7);
  context.fill();
}

// The last 30 seconds: what was recognised as bars, events as their names, below it what the hand is known to make.
export class TimeLine {
  constructor() {
    this.runs = { name: [], made: [] };
    this.events = [];
    this.span = 30;
  }

  push(time, said) {
    for (const kind of ["name", "made"]) {
      const runs = this.runs[kind];
      const last = runs[runs.length - 1];
      if (last && last.what === said[kind] && time - last.to < 1) last.to = time;
      else runs.push({ what: said[kind], from: last && time - last.to < 1 ? last.to : time, to: time });
      while (runs[0].to < time - this.span) runs.shift();
    }
    this.events = this.events.filter((event) => event[0] > time - this.span);
  }

  draw(context, width, height, palette, gestures, time) {
    const left = 76;
    const x = (moment) => left + (width - left) * (1 - (time - moment) / this.span);
    const known = this.runs.made.some((run) => run.what);
    const bars = known ? { name: 30, made: 46 } : { name: 30 };
    context.clearRect(0, 0, width, height);
    context.textAlign = "left";
    context.fillStyle = palette.muted;
    context.fillText("recognised", 0, bars.name + 10);
    if (known) context.fillText("made", 0, bars.made + 10);
    context.textAlign = "center";
    for (let ago = 5; ago < this.span; ago += 5) context.fillText(`−${ago} s`, x(time - ago), height - 3);
    context.textAlign = "right";
    context.fillText("now", width, height - 3);
    context.save();
    context.beginPath();
    context.rect(left, 0, width - left, height);
    context.clip();
    for (const [kind, top] of Object.entries(bars)) {
      context.fillStyle = palette.line;
      context.fillRect(left, top + 11, width - left, 1);
      for (const run of this.runs[kind]) this.bar(context, run, top, x, palette, gestures);
    }
    this.flags(context, x, palette);
    context.restore();
  }

  bar(context, run, top, x, palette, gestures) {
    if (!run.what || run.what === "rest") return;
    context.fillStyle = colourOf(run.what, gestures, palette);
    const wide = Math.max(x(run.to) - x(run.from), 1);
    if (!gestures.includes(run.what)) context.fillRect(x(run.from), top + 4, wide, 4); // unknown is thin
    else context.fillRect(x(run.from), top, wide, 12);
  }

  flags(context, x, palette) {
    context.textAlign = "left";
    context.lineWidth = 4;
    context.strokeStyle = palette.panel;
    context.fillStyle = palette.ink;
    for (const [time] of this.events) context.fillRect(x(time), 4, 1, 26);
    const free = [-Infinity, -Infinity];
    for (const [time, name, confidence] of this.events) {
      const place = x(time) + 4;
      const row = free.findIndex((end) => end <= place);
      if (row < 0) continue;
      const text = `${spoken(name)} ${Math.round(100 * confidence)} %`;
      context.strokeText(text, place, 12 + 13 * row);
      context.fillText(text, place, 12 + 13 * row);
      free[row] = place + context.measureText(text).width + 10;
    }
  }
}
