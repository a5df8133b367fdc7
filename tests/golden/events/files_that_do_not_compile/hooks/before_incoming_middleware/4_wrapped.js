function hook(bp, event) {
  event.payload = 1
}
