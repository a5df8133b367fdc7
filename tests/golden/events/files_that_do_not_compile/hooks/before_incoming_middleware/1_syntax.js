const x = 1
if (x {
}
