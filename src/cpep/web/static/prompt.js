// What a person is asked to do: the name in large letters, the drawn hand, a countdown, a bar and dots of repetitions.

import { fit, spoken } from "/static/draw.js";
import { Hand } from "/static/hand.js";

export default {
  template: `
    <section class="prompt" aria-label="Prompt" ref="all" hidden>
      <p ref="place" class="hint"></p>
      <p ref="name" class="name"></p>
      <p ref="how" class="how"></p>
      <canvas ref="hand" class="hand" tabindex="0" role="img" aria-label="The hand to make. Arrow keys turn it."></canvas>
      <p class="phase"><strong ref="phase"></strong> <span ref="left"></span></p>
      <div class="progress" aria-hidden="true"><div ref="bar"></div></div>
      <p ref="dots" class="dots" aria-hidden="true"></p>
      <p ref="next" class="hint next"></p>
      <p ref="note" class="note"></p>
      <div class="row">
        <button v-for="(label, act) in labels" :key="act" type="button" :data-act="act" @click="$emit('act', act)">{{ label }}</button>
      </div>
      <span ref="said" class="unseen" role="status"></span>
    </section>`,

  emits: ["act"],

  data: () => ({ labels: {} }),

  mounted() {
    this.turned = new Hand(this.$refs.hand);
  },

  methods: {
    // A prompt is a picture of one moment; null where nobody is asked for anything.
    show(prompt, palette) {
      const { all, place, name, how, hand, phase, left, bar, dots, next, note, said } = this.$refs;
      if (prompt && JSON.stringify(prompt.acts) !== JSON.stringify(this.labels)) this.labels = prompt.acts;
      if (all.hidden === Boolean(prompt)) this.toggle(Boolean(prompt)); // after its buttons, one of which gets the focus
      if (!prompt) return;
      all.dataset.phase = prompt.phase;
      write(place, prompt.place);
      write(name, spoken(prompt.name));
      write(how, prompt.how);
      write(phase, prompt.ask);
      write(left, prompt.left >= 0 ? `${Math.max(Math.ceil(prompt.left - 0.05), 1)} s` : "");
      bar.style.transform = `scaleX(${prompt.share})`;
      write(dots, "●".repeat(prompt.done) + (prompt.of > prompt.done ? "◉" : "") + "○".repeat(Math.max(prompt.of - prompt.done - 1, 0)));
      write(next, prompt.next ? `then ${spoken(prompt.next)}` : "");
      write(note, prompt.note);
      hand.hidden = !prompt.hand;
      if (prompt.hand) this.turned.draw(...fit(hand), palette, prompt.hand);
      write(said, prompt.said); // changes with the phase alone, so that a screen reader does not count seconds
    },

    // The keyboard goes where the buttons are; Again does no harm.
    toggle(shown) {
      const { all } = this.$refs;
      all.hidden = !shown;
      all.closest(".live").classList.toggle("prompting", shown);
      if (!shown) return;
      all.scrollIntoView({ block: "nearest" });
      this.$nextTick(() => all.querySelector("button")?.focus({ preventScroll: true }));
    },
  },
};

function write(element, wanted) {
  if (element.textContent !== wanted) element.textContent = wanted;
}
