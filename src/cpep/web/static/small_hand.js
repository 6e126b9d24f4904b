// A hand that is only looked at: a picture beside a name, which says it in words.
import { colours, fit } from "/static/draw.js";
import { Hand } from "/static/hand.js";

export default {
  template: `<canvas class="small-hand" aria-hidden="true"></canvas>`,
  props: { landmarks: Array },
  mounted() {
    this.hand = new Hand(this.$el);
    this.resized = new ResizeObserver(() => this.draw());
    this.resized.observe(this.$el);
    this.themed = new MutationObserver(() => this.draw());
    this.themed.observe(document.body, { attributeFilter: ["class"] });
  },
  unmounted() {
    this.resized.disconnect();
    this.themed.disconnect();
  },
  methods: {
    draw() {
      this.hand.draw(...fit(this.$el), colours(), this.landmarks);
    },
  },
};
