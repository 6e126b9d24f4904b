// A hand from its 20 landmarks (thumb to little finger, each from the wrist outwards), turned with pointer or arrow keys.

const FINGERS = [0, 1, 2, 3, 4].map((finger) => [0, 1, 2, 3].map((joint) => 4 * finger + joint));
const THICK_MM = [
  [9, 10, 9, 7.5],
  [9, 8.5, 7.5, 6.5],
  [9, 8.5, 7.5, 6.5],
  [9, 8, 7, 6],
  [8.5, 7, 6, 5.5],
]; // radius at each landmark
const REACH_MM = 98; // from the middle of the hand to the edge of the picture
const MIDDLE = [0, -85, 8];

export class Hand {
  constructor(canvas, changed = () => {}) {
    this.canvas = canvas;
    this.turn = { yaw: -0.45, tilt: -0.25 };
    this.changed = changed;
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      from = { x: event.clientX, y: event.clientY, ...this.turn };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (from) this.turnTo(from.yaw + (event.clientX - from.x) / 120, from.tilt + (event.clientY - from.y) / 120);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (from = null));
    const keys = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] };
    canvas.addEventListener("keydown", (event) => {
      const step = keys[event.key];
      if (!step) return;
      event.preventDefault();
      this.turnTo(this.turn.yaw + step[0], this.turn.tilt + step[1]);
    });
  }

  turnTo(yaw, tilt) {
    this.turn = { yaw, tilt: Math.max(-1.5, Math.min(1.5, tilt)) };
    this.changed();
  }

  // Screen x to the right, y down, z towards the viewer, who looks at the palm of a right hand with its fingers up.
  place([x, y, z], size) {
    const { yaw, tilt } = this.turn;
    const [a, b, c] = [x - MIDDLE[0], y - MIDDLE[1], -(z - MIDDLE[2])];
    const right = a * Math.cos(yaw) + c * Math.sin(yaw);
    const deep = -a * Math.sin(yaw) + c * Math.cos(yaw);
    const down = b * Math.cos(tilt) - deep * Math.sin(tilt);
    const near = b * Math.sin(tilt) + deep * Math.cos(tilt);
    const scale = ((size / 2 / REACH_MM) * 500) / (500 - near);
    return { x: right * scale, y: down * scale, z: near, scale };
  }

  draw(context, width, height, colours, landmarks) {
    context.clearRect(0, 0, width, height);
    if (!landmarks) return;
    context.save();
    context.translate(width / 2, height / 2);
    const size = Math.min(width, height);
    const point = (index) => this.place(landmarks.slice(3 * index, 3 * index + 3), size);
    const points = Array.from({ length: 20 }, (_, index) => point(index));
    const wrist = [this.place([14, -2, 0], size), this.place([-14, -2, 0], size)];
    const parts = [];
    FINGERS.forEach((finger, which) => {
      finger.slice(1).forEach((index, joint) => {
        const [from, to] = [points[index - 1], points[index]];
        const [one, other] = THICK_MM[which].slice(joint, joint + 2);
        parts.push({ z: (from.z + to.z) / 2, draw: () => bone(context, from, to, one, other, colours) });
      });
    });
    const rim = [wrist[0], points[0], points[4], points[8], points[12], points[16], wrist[1]];
    const z = rim.reduce((sum, corner) => sum + corner.z, 0) / rim.length;
    parts.push({ z, draw: () => palm(context, rim, colours) });
    parts.sort((one, other) => one.z - other.z).forEach((part) => part.draw());
    context.restore();
  }
}

function palm(context, rim, colours) {
  context.beginPath();
  rim.forEach((corner, index) => (index ? context.lineTo(corner.x, corner.y) : context.moveTo(corner.x, corner.y)));
  context.closePath();
  context.lineJoin = "round";
  for (const [wide, colour] of [[19, colours.edge], [16.5, colours.skin]]) {
    context.lineWidth = wide * rim[0].scale;
    context.strokeStyle = colour;
    context.stroke();
  }
  context.fillStyle = colours.skin;
  context.fill();
}

// A bone is a tapered capsule: nearer ones are lighter, and the edge sets fingers apart that lie over each other.
function bone(context, from, to, one, other, colours) {
  const angle = Math.atan2(to.y - from.y, to.x - from.x);
  const outline = (extra) => {
    const [r, s] = [one * from.scale + extra, other * to.scale + extra];
    context.beginPath();
    context.arc(from.x, from.y, r, angle + Math.PI / 2, angle - Math.PI / 2);
    context.arc(to.x, to.y, s, angle - Math.PI / 2, angle + Math.PI / 2);
    context.closePath();
  };
  outline(1.2);
  context.fillStyle = colours.edge;
  context.fill();
  outline(0);
  const normal = { x: -Math.sin(angle), y: Math.cos(angle) };
  const side = normal.y > 0 ? -1 : 1; // light from above
  const wide = one * from.scale;
  const shade = context.createLinearGradient(
    from.x + side * normal.x * wide,
    from.y + side * normal.y * wide,
    from.x - side * normal.x * wide,
    from.y - side * normal.y * wide,
  );
  shade.addColorStop(0, colours.light);
  shade.addColorStop(0.5, colours.skin);
  shade.addColorStop(1, colours.shade);
  context.fillStyle = shade;
  context.fill();
}
