// A native slider with its label and value: Quasar's takes the focus on an element that has no role and no name.
// What a person sets comes back from NiceGUI as the list of the event's arguments, what the server sets as a number.
export default {
  template: `
    <label class="slider">
      <span aria-hidden="true">{{ label }}</span><span class="value" aria-hidden="true">{{ shown }}</span>
      <input type="range" :min="min" :max="max" :step="step" :aria-label="name" :value="value"
        :aria-valuetext="shown" @input="$emit('update:model-value', $event.target.valueAsNumber)">
    </label>`,
  props: { modelValue: [Number, Array], label: String, name: String, unit: String, min: Number, max: Number, step: Number },
  emits: ["update:model-value"],
  computed: {
    value() {
      return [this.modelValue].flat()[0];
    },
    shown() {
      return `${this.value}${this.unit}`.replace("-", "−");
    },
  },
};
