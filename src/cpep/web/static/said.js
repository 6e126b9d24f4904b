// A sentence of the server, and at once, before the server has heard of it, that something was pressed.
export default {
  template: `<div class="said" role="status">{{ pressed ? "working…" : text }}</div>`,
  props: { text: String, number: Number },
  data: () => ({ pressed: false }),
  watch: {
    number() {
      this.pressed = false; // also where the sentence is the same as before
    },
  },
  methods: {
    press() {
      this.pressed = true;
    },
  },
};
