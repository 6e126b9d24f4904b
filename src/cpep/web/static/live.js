// What runs by itself. The page asks for what is new when it has drawn what it has, so that a slow page asks less often
// and the server never keeps anything for it.

import { colours, Emg, fit, Plane, spoken, TimeLine } from "/static/draw.js";
import { Hand } from "/static/hand.js";
import PromptView from "/static/prompt.js";

const FRAME_MS = 1000 / 30;
const CALM_MS = 500; // between pictures for those who asked their system for less motion
const TRAIL = 12;
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

export default {
  template: `
    <main class="live" :class="{ mapless }">
      <header>
        <div class="state">
          <strong ref="name" class="name">…</strong>
          <div class="confidence">
            <div ref="meter" class="meter" role="meter" aria-label="confidence" aria-valuemin="0" aria-valuemax="100">
              <div ref="bar"></div>
            </div>
            <span ref="percent"></span>
          </div>
          <span ref="hint" class="hint"></span>
          <span ref="said" class="unseen" role="status"></span>
        </div>
        <div class="tools">
          <span class="hint source">{{ source }} <span ref="lost"></span></span>
          <label ref="sides" hidden>Recognise by
            <select ref="by" @change="$emit('act', 'by ' + $event.target.value)">
              <option value="gestures">my gestures</option><option value="book">the book</option>
            </select>
          </label>
          <button ref="pause" type="button" aria-pressed="false" @click="pause">Pause</button>
          <label>Theme
            <select ref="theme" @change="theme($event.target.value)">
              <option value="">system</option><option>light</option><option>dark</option>
            </select>
          </label>
          <button type="button" @click="$refs.help.showModal()">Help</button>
        </div>
      </header>
      <div class="sentences">
        <p ref="problem" class="problem" role="alert" hidden></p>
        <p ref="notices" class="problem" role="status" hidden></p>
      </div>
      <section class="emg" aria-label="EMG">
        <h2>EMG <span ref="scale" class="hint"></span></h2>
        <canvas ref="emg" role="img" aria-label="The last 4 seconds of every channel"></canvas>
        <p ref="quality" class="advice"></p>
      </section>
      <PromptView ref="prompt" @act="$emit('act', $event)" />
      <section v-if="mapless" class="seen welcome" aria-label="How to begin">
        <h2>In two minutes this page knows your gestures</h2>
        <ol>
          <li>Put the band on, tight enough not to slip.</li>
          <li>Look at the EMG: each line lies still while the hand rests, and grows with a fist. A red line says what is
            wrong with its channel.</li>
          <li>Press Start and copy the hand that is drawn here.</li>
        </ol>
        <button type="button" class="begin" @click="$emit('act', 'start')">Start</button>
      </section>
      <section class="seen" aria-label="Hand">
        <h2>{{ handless ? "No hand" : mapless ? "Gesture" : "Nearest pose" }} <span v-if="!handless" class="hint">drag to turn</span></h2>
        <p v-if="handless" class="hint">{{ handless }}</p>
        <canvas v-else ref="hand" class="hand" tabindex="0" role="img"
          :aria-label="(mapless ? 'The gesture.' : 'The nearest pose.') + ' Arrow keys turn it.'"></canvas>
      </section>
      <section v-if="!mapless" class="seen" aria-label="Map">
        <h2>Map of the book <span class="hint">○ now</span></h2>
        <canvas ref="map" role="img" aria-label="The entries of the book in a plane, and where the EMG is among them"></canvas>
      </section>
      <section class="time" aria-label="Time line">
        <canvas ref="time" role="img" aria-label="What was recognised in the last 30 seconds"></canvas>
        <ol ref="events" class="unseen" aria-label="Last events"></ol>
      </section>
      <dialog ref="help" aria-label="Help">
        <h2>Help</h2>
        <p>The large name is the gesture that is recognised, with the probability that it is right;
          <em>unknown</em> is none of them. <em>Enrol</em> shows you gestures that you make three times each.
          <span v-if="!handless && !mapless">To add a gesture without making it, pose the hand in the studio, name it
          and add it: no EMG of it is needed.</span></p>
        <dl>
          <dt><kbd>Tab</kbd></dt><dd>next control</dd>
          <dt><kbd>←</kbd> <kbd>→</kbd></dt><dd>move a slider; on a hand, turn it (also <kbd>↑</kbd> <kbd>↓</kbd>)</dd>
          <dt><kbd>p</kbd></dt><dd>pause, go on</dd>
          <dt><kbd>n</kbd></dt><dd>to the name of a new gesture; <kbd>Enter</kbd> there adds it</dd>
          <dt><kbd>Esc</kbd></dt><dd>at a prompt, stop; what was made is kept</dd>
          <dt><kbd>t</kbd></dt><dd>next theme: system, light, dark</dd>
          <dt><kbd>?</kbd></dt><dd>this help; <kbd>Esc</kbd> closes it</dd>
        </dl>
        <form method="dialog"><button autofocus>Close</button></form>
      </dialog>
    </main>`,

  components: { PromptView },

  props: { source: String, unit: String, handless: String, mapless: Boolean },

  emits: ["act"],

  mounted() {
    Object.assign(this, { column: -1, after: -1, trail: [], gestures: [], map: -1, asked: 0, frames: 0, line: new TimeLine() });
    this.turned = this.handless ? null : new Hand(this.$refs.hand);
    this.theme(localStorage.getItem("cpep-theme") || "");
    this.themed = new MutationObserver(() => (this.palette = colours()));
    this.themed.observe(document.body, { attributeFilter: ["class"] });
    this.palette = colours();
    this.keyed = (event) => this.key(event);
    document.addEventListener("keydown", this.keyed);
    this.running = true;
    requestAnimationFrame((now) => this.tick(now));
  },

  unmounted() {
    this.running = false;
    this.themed.disconnect();
    document.removeEventListener("keydown", this.keyed);
  },

  methods: {
    // A frame that is a little early counts: screens of 60 Hz would else show every third.
    async tick(now) {
      if (!this.running) return;
      if (!this.paused && now - this.asked > (calm.matches ? CALM_MS : FRAME_MS) - 4) {
        this.asked = now;
        try {
          await this.ask();
        } catch (error) {
          console.log(error);
          this.problem("The server does not answer; trying again.");
          await new Promise((done) => setTimeout(done, 1000));
        }
      }
      requestAnimationFrame((next) => this.tick(next));
    },

    async get(what) {
      const answer = await fetch(what, { cache: "no-store" });
      if (answer.status === 401) location.reload();
      if (!answer.ok) throw new Error(answer.statusText);
      return answer.json();
    },

    async ask() {
      const view = await this.get(`/api/view?since=${this.column}&after=${this.after}`);
      if (view.map !== this.map) {
        const plane = await this.get("/api/map");
        [this.plane, this.gestures, this.map, this.trail] = [new Plane(plane), plane.known, plane.version, []];
      }
      this.take(view);
      this.draw(view);
      this.frames += 1;
    },

    take(view) {
      if (view.column < this.column || this.emg?.channels !== view.channels || this.emg.columns !== view.columns) {
        this.emg = new Emg(view.channels, view.columns); // first, or another source
        this.line = new TimeLine();
        this.scaled = -1;
      }
      const bytes = Uint8Array.from(atob(view.emg), (letter) => letter.charCodeAt(0));
      this.emg.push(new Float32Array(bytes.buffer));
      this.column = view.column;
      if (view.name) this.line.push(view.time, view);
      for (const event of view.events) {
        this.after = event[0];
        this.line.events.push(event);
        this.report(event);
      }
      if (view.point) this.trail = [...this.trail, view.point].slice(calm.matches ? -1 : -TRAIL);
      this.shown = view.hand ? this.ease(view.hand) : this.mapless ? null : this.shown;
      this.problem(view.problem);
      const { notices, sides, by } = this.$refs;
      notices.hidden = !view.notices.length;
      text(notices, view.notices.join(". "));
      sides.hidden = view.sides.length < 2;
      if (by.value !== view.by && document.activeElement !== by) by.value = view.by;
    },

    // The nearest pose jumps from one of the gallery to the next.
    ease(hand) {
      if (!this.shown || calm.matches) return hand;
      return this.shown.map((place, index) => place + 0.3 * (hand[index] - place));
    },

    draw(view) {
      const palette = this.palette;
      if (Math.floor(view.time) !== this.scaled) {
        this.scaled = Math.floor(view.time);
        text(this.$refs.scale, `channel height ±${+this.emg.scale().toPrecision(3)} ${this.unit}`);
        text(this.$refs.quality, view.advice.join(" "));
      }
      this.emg.draw(...fit(this.$refs.emg), palette, view.quality, view.seconds);
      this.$refs.prompt.show(view.prompt, palette);
      if (view.prompt) return this.rest(view, palette); // which is where hand and map are else
      this.turned?.draw(...fit(this.$refs.hand), palette, this.shown);
      if (!this.mapless) this.plane.draw(...fit(this.$refs.map), palette, this.trail);
      this.rest(view, palette);
    },

    rest(view, palette) {
      this.line.draw(...fit(this.$refs.time), palette, this.gestures, view.time);
      this.state(view);
    },

    state(view) {
      this.$el.classList.toggle("unknowing", !view.known);
      const percent = Math.round(100 * view.confidence);
      text(this.$refs.name, spoken(view.name) || (view.known ? "listening…" : "no gestures yet"));
      this.$refs.name.dataset.state = ["rest", "unknown"].includes(view.name) ? view.name : view.name ? "gesture" : "";
      this.$refs.bar.style.transform = `scaleX(${view.confidence})`;
      this.$refs.meter.setAttribute("aria-valuenow", percent);
      text(this.$refs.percent, view.name ? `${percent} %` : "");
      const nothing = view.known ? "the first window fills" : view.todo;
      const hints = { "": nothing, unknown: "none of the gestures", rest: "the hand rests" };
      text(this.$refs.hint, hints[view.name] ?? "");
      text(this.$refs.lost, view.lost ? `· ${view.lost} samples lost` : "");
    },

    report([time, name, confidence]) {
      const said = `${spoken(name)}, ${Math.round(100 * confidence)} %`;
      text(this.$refs.said, said);
      const item = document.createElement("li");
      item.textContent = `${time.toFixed(1)} s: ${said}`;
      this.$refs.events.prepend(item);
      while (this.$refs.events.children.length > 10) this.$refs.events.lastChild.remove();
    },

    problem(sentence) {
      text(this.$refs.problem, sentence);
      this.$refs.problem.hidden = !sentence;
    },

    pause() {
      this.paused = !this.paused;
      this.$refs.pause.setAttribute("aria-pressed", this.paused);
      text(this.$refs.pause, this.paused ? "Go on" : "Pause");
    },

    theme(name) {
      this.$refs.theme.value = name;
      localStorage.setItem("cpep-theme", name);
      setDark(name === "" ? null : name === "dark");
    },

    // Single keys do nothing while one types or chooses.
    key(event) {
      if (event.ctrlKey || event.altKey || event.metaKey || this.$refs.help.open) return;
      if (event.target.closest?.("input:not([type=range]), select, textarea, [role=combobox], [role=listbox], .q-dialog")) return;
      const themes = ["", "light", "dark"];
      const keys = {
        p: () => this.pause(),
        n: () => [...document.querySelectorAll(".panel .name input")].find((input) => input.offsetParent)?.focus(),
        t: () => this.theme(themes[(themes.indexOf(this.$refs.theme.value) + 1) % 3]),
        "?": () => this.$refs.help.showModal(),
      };
      if (this.$el.classList.contains("prompting")) keys.Escape = () => this.$emit("act", "stop");
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    },
  },
};

function text(element, wanted) {
  if (element.textContent !== wanted) element.textContent = wanted;
}
