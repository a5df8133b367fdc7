bp.users
  .getAttribute('web', 'x')
