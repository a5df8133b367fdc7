// For the bundle of `buffer` (build.rs): the package makes its prototype a child of `Uint8Array.prototype` and gives it methods then.
// In a realm that one is frozen, and a method of the same name could not be set any more: the kinship is noted, and made when the
// methods are there.
const kin = []

export function setPrototypeLater(object, prototype) {
  if (prototype === Uint8Array.prototype || prototype === Uint8Array) {
    kin.push([object, prototype])
    return object
  }
  for (const [child, parent] of kin.splice(0)) {
    Reflect.setPrototypeOf(child, parent)
  }
  return Reflect.setPrototypeOf(object, prototype) ? object : undefined
}
