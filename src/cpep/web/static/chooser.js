// A field for files that is not seen: a button opens the dialog of the browser, and what is chosen goes to the server.
export default {
  template: `<input type="file" multiple hidden @change="send" />`,
  props: { address: String, largest: Number },
  methods: {
    pick() {
      this.$el.click();
    },
    async send() {
      const files = [...this.$el.files];
      this.$el.value = ""; // the same file may be chosen again
      if (files.reduce((bytes, file) => bytes + file.size, 0) > this.largest) {
        this.$emit("large");
        return;
      }
      this.$emit("begun");
      const form = new FormData();
      files.forEach((file) => form.append("file", file));
      try {
        const answer = await fetch(this.address, { method: "POST", body: form });
        if (!answer.ok) this.$emit("refused", await answer.text());
      } catch (error) {
        this.$emit("refused", "the files did not arrive; send them again");
      }
    },
  },
};
