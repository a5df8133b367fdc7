class Helper {
  run() { return 1 }
}
