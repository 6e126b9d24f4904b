import { colours, fit } from "/static/draw.js";
import { Hand } from "/static/hand.js";

export default {
  template: `<canvas class="hand" tabindex="0" role="img" aria-label="The hand as posed. Arrow keys turn it."></canvas>`,
  mounted() {
    this.hand = new Hand(this.$el, () => this.draw());
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
    pose(landmarks) {
      this.landmarks = landmarks;
      this.draw();
    },
    draw() {
      this.hand.draw(...fit(this.$el), colours(), this.landmarks);
    },
  },
};
