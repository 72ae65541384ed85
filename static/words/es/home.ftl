# La lista de conciertos, lo que lleva cada página y las páginas sin script.

language-label = Idioma

skip = Saltar al contenido
account = Tu cuenta
needs-script = MySetlist necesita JavaScript para mostrar los votos en vivo. Actívalo y vuelve a cargar la página.

home-title = { $service }: vota las canciones de esta noche
home-description = Vota las canciones del setlist de esta noche y mira cómo cambian los votos en vivo.
home-heading = ¿Qué canciones suenan hoy?
home-lead = Vota las canciones de un concierto y mira cómo cambian los votos en vivo.
search-label = Buscar conciertos
search-hint = Artista, sala o ciudad
filter-label = Estado
filter-all = Todos
filter-live = En vivo
filter-upcoming = Próximos
filter-finished = Pasados
show-all-shows = Ver todos los conciertos
no-match = Ningún concierto coincide con tu búsqueda.
no-shows = Todavía no hay conciertos.
load-more = Ver más
loading = Cargando
shows-listed =
    { $count ->
        [one] { $count } concierto en la lista
        [many] { $count } de conciertos en la lista
       *[other] { $count } conciertos en la lista
    }
voting-opens = La votación abre { $in }
trending = Lo más votado ahora

not-found-title = Página no encontrada
not-found-heading = No hay ninguna página en esta dirección
not-found-lead = Puede que el enlace sea antiguo o que le falte una letra. En la lista están todos los conciertos.
page-failed-title = La página no se puede mostrar ahora
page-failed-heading = Esta página no se puede mostrar ahora
page-failed-lead = El servidor tiene un problema. Los votos enviados se conservan. Vuelve a intentarlo en un momento.
