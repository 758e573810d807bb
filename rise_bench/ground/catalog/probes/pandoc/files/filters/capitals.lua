-- Writes strong text in capitals.
function Strong(element)
  return pandoc.walk_inline(element, { Str = function(word) return pandoc.Str(word.text:upper()) end })
end
