// What runs by itself. The page asks for what is new when it has drawn what it has, so that a slow page asks less often
// and the server never keeps anything for it.

import { colours, Emg, fit, Plane, spoken, TimeLine } from "/static/draw.js";
import { Hand } from "/static/hand.js";
import PromptView from "/static/prompt.js";

const FRAME_MS = 1000 / 30;
const CALM_MS = 500; // between pictures for those who asked their system for less motion
const PAUSED_MS = 1000; // between questions of a page that is paused: another source may be chosen meanwhile
const LATE_MS = 3000; // without an answer for so long, the page says that it shows the past
const GIVEN_UP_MS = 20_000; // and then asks again: a connection may be dead without anybody saying so
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
            <button type="button" class="why" aria-label="What the percentage is of" @click="help('percent')">?</button>
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
          <button type="button" @click="help('')">Help (?)</button>
        </div>
      </header>
      <div class="sentences">
        <p ref="problem" class="problem" role="alert" hidden></p>
        <p ref="notices" class="problem" role="status" hidden></p>
        <p ref="adapted" class="hint" hidden>
          <span ref="learnt"></span> <button type="button" @click="$emit('act', 'forget')">Forget</button>
        </p>
      </div>
      <section class="emg" aria-label="EMG">
        <h2>EMG <span ref="scale" class="hint"></span> <button type="button" class="why" aria-label="What the EMG shows" @click="help('emg')">?</button></h2>
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
        <h2>Map of the book <span ref="mapped" class="hint">○ now</span> <button type="button" class="why" aria-label="What the map shows" @click="help('map')">?</button></h2>
        <canvas ref="map" role="img" aria-label="The entries of the book in a plane, and where the EMG is among them"></canvas>
      </section>
      <section class="time" aria-label="Time line">
        <h2>Last 30 seconds <span ref="tally" class="hint"></span></h2>
        <canvas ref="time" role="img" aria-label="What was recognised in the last 30 seconds"></canvas>
        <ol ref="events" class="unseen" aria-label="Last events"></ol>
      </section>
      <dialog ref="help" aria-label="Help">
        <h2 ref="top">Help</h2>
        <p>The page shows the EMG of a band and names the gesture that the hand makes. The tabs below add gestures:
          <em>Enrol</em> asks you to make each of them three times.
          <span v-if="!handless && !mapless"><em>Studio</em> adds a gesture that nobody has made: pose the hand with the
          sliders, name it, press <em>Add to the book</em>.</span></p>
        <h3 ref="percent-help">The percentage</h3>
        <p>The percentage says how sure cpep is of the large name at this moment. All gestures that it knows and "none of
          them" share 100 %, and this is the share of the gesture that is named: a probability, from the last second of EMG
          or less. Beside <em>unknown</em> it is the probability that the hand makes anything but the likeliest gesture. It
          is not the share of right answers. <em>Tally</em> counts those.</p>
        <h3 ref="emg-help">The EMG</h3>
        <p>One line is one channel, the last four seconds. All lines have one scale: "channel height ±20" says how far a
          line may go up or down before it leaves its row.</p>
        <p v-if="unit === 'noise SD'"><strong>Noise SD</strong> is the unit of this EMG: 1 is the standard deviation of what
          the electrode measures when the muscle is at rest. A line that reaches 20 is twenty times as large as that noise.</p>
        <p><strong>Hum</strong> marks a channel of which more than half of the power is at 50 or 60 Hz, the frequency of the
          mains, while the hum is more than twice as large as the EMG of the usual channel. Its electrode has poor contact: press it on, and go away from
          chargers. <strong>Flat</strong>: no signal. <strong>Loose</strong>: much
          noisier than the other channels. <strong>Clipped</strong>: beyond what the band can measure.
          <strong>Offset</strong>: a constant part, which is taken out.</p>
        <template v-if="!mapless">
          <h3 ref="map-help">The map</h3>
          <p>Each dot is an example of a gesture in the book, in the colour of its gesture. Dots lie near each other where the
            model takes the gestures for alike. The ring is what your EMG looks like now: it lies amid the five examples that
            are most like it, and its tail is where it was before. A ring among the dots of a gesture is recognised as that
            gesture more easily. The axes have no meaning, and a flat picture shows distances only roughly (t-SNE).</p>
        </template>
        <h3>Keys</h3>
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
      if (now - this.asked > (this.paused ? PAUSED_MS : calm.matches ? CALM_MS : FRAME_MS) - 4) {
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
      const late = setTimeout(() => this.problem("The server has not answered for some seconds; what is shown is old."), LATE_MS);
      try {
        const answer = await fetch(what, { cache: "no-store", signal: AbortSignal.timeout(GIVEN_UP_MS) });
        if (answer.status === 401) this.anew();
        if (!answer.ok) throw new Error(answer.statusText);
        return await answer.json();
      } finally {
        clearTimeout(late);
      }
    },

    // Loads the page once: a second call, a frame later, would cut the loading that has begun and begin another.
    anew() {
      if (this.running) location.reload();
      this.running = false;
    },

    async ask() {
      const view = await this.get(`/api/view?since=${this.column}&after=${this.after}`);
      this.number ??= view.number;
      if (view.number !== this.number) this.anew(); // another source, whose panels are others
      this.problem(view.problem);
      if (this.paused) return;
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
      const { notices, adapted, learnt, sides, by } = this.$refs;
      adapted.hidden = !view.adapted;
      text(learnt, view.adapted);
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
      if (!this.mapless) this.plane.draw(...fit(this.$refs.map), palette, this.trail, view.mapping);
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
      text(this.$refs.tally, view.tally ? tallied(view.tally) : "");
      if (!this.mapless) text(this.$refs.mapped, view.mapping ? "○ now; the map is being laid out…" : "○ now");
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

    // At its beginning, or at one of its headings.
    help(about) {
      this.$refs.help.showModal();
      this.$refs[about ? `${about}-help` : "top"].scrollIntoView({ block: "start" });
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
        "?": () => this.help(""),
      };
      if (this.$el.classList.contains("prompting")) keys.Escape = () => this.$emit("act", "stop");
      if (!keys[event.key]) return;
      event.preventDefault();
      keys[event.key]();
    },
  },
};

function tallied({ made, name, right, of }) {
  const gesture = spoken(made);
  return `made: ${gesture} → ${name ? `recognised: ${spoken(name)}` : "not recognised"}; ${gesture} so far: ${right} of ${of} right`;
}

function text(element, wanted) {
  if (element.textContent !== wanted) element.textContent = wanted;
}
